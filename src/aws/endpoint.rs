//! Where a service of AWS is: region, partition, FIPS and dual-stack names, or what the owner says, as for a VPC endpoint.
//!
//! Pure: it knows names, and resolves none.

use crate::http;

/// A service: everything about it that is not what is asked of it.
#[derive(Debug)]
pub struct Service {
    /// Its name in hosts and signatures.
    pub name: &'static str,
    /// Its name in `AWS_ENDPOINT_URL_…`.
    pub variable: &'static str,
    /// What stands before the operation in the header `x-amz-target`; empty for one that has no such header.
    pub target: &'static str,
    /// The content type of its requests.
    pub content_type: &'static str,
    /// Whether its FIPS host in GovCloud is its only one, without a name of its own.
    fips_in_gov: bool,
    /// Whether its dual-stack host is in the domain for these.
    dual_stack: bool,
}

/// The version of AWS's JSON protocol that most services speak.
const JSON: &str = "application/x-amz-json-1.1";

/// What most rows have in common.
const PLAIN: Service = Service {
    name: "",
    variable: "",
    target: "",
    content_type: JSON,
    fips_in_gov: false,
    dual_stack: true,
};

/// Amazon S3.
pub const S3: Service = Service {
    name: "s3",
    variable: "S3",
    dual_stack: false,
    ..PLAIN
};

/// Amazon Data Firehose.
pub const FIREHOSE: Service = Service {
    name: "firehose",
    variable: "FIREHOSE",
    target: "Firehose_20150804",
    ..PLAIN
};

/// Amazon Kinesis Data Streams.
pub const KINESIS: Service = Service {
    name: "kinesis",
    variable: "KINESIS",
    target: "Kinesis_20131202",
    fips_in_gov: true,
    ..PLAIN
};

/// Amazon SQS.
pub const SQS: Service = Service {
    name: "sqs",
    variable: "SQS",
    target: "AmazonSQS",
    content_type: "application/x-amz-json-1.0",
    fips_in_gov: true,
    ..PLAIN
};

/// Amazon CloudWatch Logs.
pub const LOGS: Service = Service {
    name: "logs",
    variable: "CLOUDWATCH_LOGS",
    target: "Logs_20140328",
    fips_in_gov: true,
    ..PLAIN
};

/// AWS Secrets Manager.
pub const SECRETS_MANAGER: Service = Service {
    name: "secretsmanager",
    variable: "SECRETS_MANAGER",
    target: "secretsmanager",
    dual_stack: false,
    ..PLAIN
};

/// AWS Systems Manager, whose Parameter Store it is.
pub const SSM: Service = Service {
    name: "ssm",
    variable: "SSM",
    target: "AmazonSSM",
    fips_in_gov: true,
    ..PLAIN
};

/// What hosts end with: the beginning of a region, its domain, and that of dual-stack hosts; the last row is for all others.
static PARTITIONS: [(&str, &str, &str); 8] = [
    ("cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    ("us-gov-", "amazonaws.com", "api.aws"),
    ("eusc-", "amazonaws.eu", "api.amazonwebservices.eu"),
    ("us-iso-", "c2s.ic.gov", "api.aws.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov", "api.aws.scloud"),
    ("eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    ("us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
    ("", "amazonaws.com", "api.aws"),
];

/// What the owner says of endpoints.
#[derive(Debug, Default)]
pub struct Endpoints {
    /// `AWS_USE_FIPS_ENDPOINT`.
    pub fips: bool,
    /// `AWS_USE_DUALSTACK_ENDPOINT`.
    pub dual_stack: bool,
    /// Where every service is that has no URL of its own: `BROOKLET_AWS_ENDPOINT_URL` or `AWS_ENDPOINT_URL`.
    pub all: Option<String>,
    /// Where single services are, under the names of [`Service::variable`]: `AWS_ENDPOINT_URL_…`.
    pub own: Vec<(String, String)>,
}

impl Endpoints {
    /// The URL of a service in a region, without a slash at its end.
    #[must_use]
    pub fn url(&self, service: &Service, region: &str) -> String {
        self.told(service)
            .unwrap_or_else(|| self.public(service, region, ["", ""]))
    }

    /// The URL of a bucket, without a slash at its end: in the host where it can be.
    #[must_use]
    pub fn bucket(&self, bucket: &str, region: &str) -> String {
        match self.told(&S3) {
            // A certificate holds for one level of names.
            None if !bucket.contains('.') => self.public(&S3, region, [bucket, "."]),
            _ => [&self.url(&S3, region), "/", bucket].concat(),
        }
    }

    /// What the owner says, without a slash at its end.
    #[must_use]
    pub fn told(&self, service: &Service) -> Option<String> {
        let own = self.own.iter().find(|(name, _)| name == service.variable);
        let url = own.map(|(_, url)| url).or(self.all.as_ref())?;
        Some(url.trim_end_matches('/').to_owned())
    }

    /// The public URL, with what stands before the host's own name and the dot between them.
    fn public(&self, service: &Service, region: &str, [before, dot]: [&str; 2]) -> String {
        let (prefix, domain, dual_domain) = partition(region);
        let only = *prefix == "us-gov-" && service.fips_in_gov && !self.dual_stack;
        let fips = if self.fips && !only { "-fips" } else { "" };
        let (dual, domain) = match self.dual_stack {
            true if service.dual_stack => ("", dual_domain),
            // The oldest service has a name of its own for this.
            true if service.name == S3.name => (".dualstack", domain),
            _ => ("", domain),
        };
        [
            "https://",
            before,
            dot,
            service.name,
            fips,
            dual,
            ".",
            region,
            ".",
            domain,
        ]
        .concat()
    }
}

/// The partition of a region.
fn partition(region: &str) -> &'static (&'static str, &'static str, &'static str) {
    let [others @ .., last] = &PARTITIONS;
    // The last row's beginning is every region's.
    let found = others.iter().find(|row| region.starts_with(row.0));
    found.unwrap_or(last)
}

/// The signing name and the region of an AWS host that takes logs in formats that are not AWS's own: OpenSearch, and the endpoints of CloudWatch and X-Ray for OpenTelemetry.
#[must_use]
pub fn signed_host(url: &str) -> Option<(&'static str, String)> {
    let host = http::host(url)?;
    // Dual-stack names of OpenSearch.
    let name = host.strip_suffix(".on.aws").or_else(|| {
        PARTITIONS.iter().find_map(|(_, domain, dual)| {
            let name = host
                .strip_suffix(domain)
                .or_else(|| host.strip_suffix(dual))?;
            name.strip_suffix('.')
        })
    })?;
    let (name, last) = name.rsplit_once('.')?;
    let (before, second) = name.rsplit_once('.').unwrap_or(("", name));
    let (service, region) = match (without_fips(second), without_fips(last)) {
        (_, "es") => ("es", second),
        ("aos", _) => ("es", last),
        (_, "aoss") => ("aoss", second),
        ("aoss", _) => ("aoss", last),
        ("logs", _) if before.is_empty() => ("logs", last),
        ("xray", _) if before.is_empty() => ("xray", last),
        _ => return None,
    };
    Some((service, region.to_owned()))
}

/// A label of a host without what the FIPS one's ends with.
fn without_fips(label: &str) -> &str {
    label.strip_suffix("-fips").unwrap_or(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What AWS's own SDK says (botocore 1.44.5).
    #[test]
    fn the_names_are_those_of_awss_own_sdk() {
        for (service, region, fips, dual_stack, host) in [
            (
                &FIREHOSE,
                "eu-west-1",
                false,
                false,
                "firehose.eu-west-1.amazonaws.com",
            ),
            (
                &FIREHOSE,
                "us-gov-west-1",
                true,
                false,
                "firehose-fips.us-gov-west-1.amazonaws.com",
            ),
            (
                &KINESIS,
                "us-east-1",
                true,
                false,
                "kinesis-fips.us-east-1.amazonaws.com",
            ),
            (
                &KINESIS,
                "us-gov-west-1",
                true,
                false,
                "kinesis.us-gov-west-1.amazonaws.com",
            ),
            (
                &KINESIS,
                "us-gov-west-1",
                true,
                true,
                "kinesis-fips.us-gov-west-1.api.aws",
            ),
            (
                &LOGS,
                "cn-north-1",
                false,
                false,
                "logs.cn-north-1.amazonaws.com.cn",
            ),
            (
                &LOGS,
                "cn-north-1",
                false,
                true,
                "logs.cn-north-1.api.amazonwebservices.com.cn",
            ),
            (
                &LOGS,
                "eusc-de-east-1",
                false,
                false,
                "logs.eusc-de-east-1.amazonaws.eu",
            ),
            (
                &SQS,
                "us-iso-east-1",
                false,
                false,
                "sqs.us-iso-east-1.c2s.ic.gov",
            ),
            (
                &SQS,
                "us-isob-east-1",
                false,
                false,
                "sqs.us-isob-east-1.sc2s.sgov.gov",
            ),
            (
                &SQS,
                "us-isof-south-1",
                false,
                true,
                "sqs.us-isof-south-1.api.aws.hci.ic.gov",
            ),
            (
                &SSM,
                "eu-isoe-west-1",
                false,
                false,
                "ssm.eu-isoe-west-1.cloud.adc-e.uk",
            ),
            (
                &SSM,
                "us-gov-east-1",
                true,
                false,
                "ssm.us-gov-east-1.amazonaws.com",
            ),
            (
                &SECRETS_MANAGER,
                "us-west-2",
                true,
                true,
                "secretsmanager-fips.us-west-2.amazonaws.com",
            ),
            (
                &S3,
                "us-west-2",
                true,
                true,
                "s3-fips.dualstack.us-west-2.amazonaws.com",
            ),
        ] {
            let endpoints = Endpoints {
                fips,
                dual_stack,
                ..Endpoints::default()
            };
            assert_eq!(endpoints.url(service, region), format!("https://{host}"));
        }
    }

    #[test]
    fn a_bucket_is_in_the_host_where_it_can_be() {
        let mut endpoints = Endpoints::default();
        let url = |endpoints: &Endpoints, bucket| endpoints.bucket(bucket, "eu-west-1");
        assert_eq!(url(&endpoints, "b"), "https://b.s3.eu-west-1.amazonaws.com");
        assert_eq!(
            url(&endpoints, "b.c"),
            "https://s3.eu-west-1.amazonaws.com/b.c"
        );
        endpoints.all = Some("http://127.0.0.1:5005/".into());
        assert_eq!(url(&endpoints, "b"), "http://127.0.0.1:5005/b");
        endpoints.own.push(("S3".into(), "https://vpce".into()));
        assert_eq!(url(&endpoints, "b"), "https://vpce/b");
        assert_eq!(endpoints.url(&SQS, "x"), "http://127.0.0.1:5005");
    }

    #[test]
    fn a_host_tells_how_it_is_signed() {
        for (host, expected) in [
            (
                "search-x.eu-west-1.es.amazonaws.com",
                Some(("es", "eu-west-1")),
            ),
            (
                "vpc-x.cn-north-1.es.amazonaws.com.cn",
                Some(("es", "cn-north-1")),
            ),
            ("search-x.aos.us-east-1.on.aws", Some(("es", "us-east-1"))),
            (
                "id.us-east-1.aoss.amazonaws.com",
                Some(("aoss", "us-east-1")),
            ),
            (
                "id.us-east-1.aoss-fips.amazonaws.com",
                Some(("aoss", "us-east-1")),
            ),
            ("id.aoss-fips.us-east-1.on.aws", Some(("aoss", "us-east-1"))),
            ("logs.us-east-1.amazonaws.com", Some(("logs", "us-east-1"))),
            ("logs.us-east-1.api.aws", Some(("logs", "us-east-1"))),
            ("xray.us-east-1.amazonaws.com", Some(("xray", "us-east-1"))),
            ("es.amazonaws.com", None),
            ("x.execute-api.us-east-1.amazonaws.com", None),
            ("x.us-east-1.es.notamazonaws.com", None),
            ("logs.example.com", None),
        ] {
            let told = signed_host(&format!("https://{host}/x"));
            let expected = expected.map(|(service, region)| (service, region.to_owned()));
            assert_eq!(told, expected, "{host}");
        }
    }
}
