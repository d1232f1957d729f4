//! A destination in AWS, as its URL names it: `s3://bucket/prefix`, `firehose://stream`, `kinesis://stream`, `sqs://queue`, `cloudwatch://group/stream`.
//!
//! A stream or queue may be its ARN, and `?region=` may name another region than the function's.

use super::Environment;
use crate::aws::credentials::Source;
use crate::aws::endpoint::{FIREHOSE, KINESIS, LOGS, S3, SQS, Service, signed_host};
use crate::aws::sigv4::encoded;
use crate::aws::{Options, headers};
use crate::encode::Format;
use crate::http::{self, Verb};
use crate::send;
use crate::send::service::{self, Duty};

/// What a place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// A bucket, and a prefix in it.
    Bucket,
    /// A stream that is called by its name alone.
    Delivery,
    /// A stream that may be called by its ARN.
    Stream,
    /// A queue, maybe with its account, or with that and its host.
    Queue,
    /// A log group and a stream.
    Group,
}

/// One kind of places.
struct Kind {
    /// What its URLs begin with; the name of its format.
    scheme: &'static str,
    /// What it is.
    what: What,
    /// The service.
    service: &'static Service,
    /// What is asked of it; empty where the URL says it all.
    operation: &'static str,
    /// What its URLs look like.
    like: &'static str,
}

/// Every kind.
static KINDS: [Kind; 5] = [
    Kind {
        scheme: "s3",
        what: What::Bucket,
        service: &S3,
        operation: "",
        like: "s3://bucket/prefix",
    },
    Kind {
        scheme: "firehose",
        what: What::Delivery,
        service: &FIREHOSE,
        operation: "PutRecordBatch",
        like: "firehose://stream or firehose://<ARN>",
    },
    Kind {
        scheme: "kinesis",
        what: What::Stream,
        service: &KINESIS,
        operation: "PutRecords",
        like: "kinesis://stream or kinesis://<ARN>",
    },
    Kind {
        scheme: "sqs",
        what: What::Queue,
        service: &SQS,
        operation: "SendMessageBatch",
        like: "sqs://queue, sqs://account/queue, sqs://<ARN> or a queue's URL with sqs:// for https://",
    },
    Kind {
        scheme: "cloudwatch",
        what: What::Group,
        service: &LOGS,
        operation: "PutLogEvents",
        like: "cloudwatch://group/stream",
    },
];

/// A URL's parts.
struct Parts<'a> {
    /// What it names.
    kind: &'static Kind,
    /// What stands between the scheme and the question mark.
    whole: &'a str,
    /// The same without an ARN's beginning.
    name: &'a str,
    /// The account that an ARN names.
    account: &'a str,
    /// The region that the URL or an ARN names.
    region: Option<&'a str>,
}

impl<'a> Parts<'a> {
    /// Takes a URL apart, which has one of these schemes.
    fn of(url: &'a str) -> Result<Self, String> {
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let [others @ .., last] = &KINDS;
        let kind = others.iter().find(|kind| kind.scheme == scheme);
        let kind = kind.unwrap_or(last);
        let parts = Self::behind(kind, rest);
        parts.ok_or_else(|| format!("it must be {}, maybe with ?region=<region>", kind.like))
    }

    /// Takes apart what stands behind the scheme, if it is as it must be.
    fn behind(kind: &'static Kind, rest: &'a str) -> Option<Self> {
        let (whole, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut region = query.strip_prefix("region=");
        if region.is_none() && !query.is_empty() {
            return None;
        }
        let (mut name, mut account) = (whole, "");
        if whole.starts_with("arn:") {
            // arn:partition:service:region:account:resource
            let mut fields = whole.splitn(6, ':').skip(2);
            let service = fields.next()?;
            let own = fields.next()?;
            account = fields.next()?;
            let resource = fields.next()?;
            if service != kind.scheme || kind.what == What::Bucket || !is_region(own) {
                return None;
            }
            // stream/name, deliverystream/name, or the queue's name itself.
            name = resource.split_once('/').map_or(resource, |(_, name)| name);
            region = region.or(Some(own));
        }
        let is_whole = !name.ends_with('/');
        let slashes = name.matches('/').count();
        let is_good = match kind.what {
            What::Bucket => !name.starts_with('/'),
            What::Delivery | What::Stream => slashes == 0,
            What::Queue => slashes <= 2 && is_whole,
            What::Group => name.rfind('/') > Some(0) && is_whole,
        };
        let is_good = is_good && !name.is_empty() && region.is_none_or(is_region);
        is_good.then_some(Self {
            kind,
            whole,
            name,
            account,
            region,
        })
    }
}

/// Whether text can be a region's name.
fn is_region(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(plain)
}

/// Whether a URL of one of these schemes names a place.
///
/// # Errors
/// What it must be, in words.
pub(super) fn usable(url: &str) -> Result<(), String> {
    Parts::of(url).map(|_| ())
}

/// Makes of a destination's options those of the place that a URL names, which can be used; gives back what the envelope names.
///
/// # Errors
/// What is missing, in words.
pub(super) fn call(
    url: &str,
    format: &Format,
    to: &mut send::Options,
    options: &Options,
    environment: &Environment,
) -> Result<[String; 2], String> {
    let Parts {
        kind,
        whole,
        name,
        account,
        region,
    } = Parts::of(url)?;
    let (host, queue) = match name.split_once('/') {
        Some((host, queue)) if kind.what == What::Queue && host.contains('.') => (host, queue),
        _ => ("", name),
    };
    // <queue>.<region>.…, or a VPC endpoint's name before it.
    let mut labels = host.split('.');
    let is_named = labels.any(|label| label == "sqs");
    let of_host = labels.next().filter(|region| is_named && is_region(region));
    let region = region.or(of_host).or(options.region.as_deref());
    let region = region.ok_or("no region is known: neither AWS_REGION nor ?region= is set")?;
    let endpoints = &options.endpoints;
    let (bucket, prefix) = name.split_once('/').unwrap_or((name, ""));
    let base = match kind.what {
        What::Bucket => endpoints.bucket(bucket, region),
        _ => endpoints.url(kind.service, region),
    };
    let named = match host {
        "" => base.clone(),
        host => ["https://", host].concat(),
    };
    let is_told = endpoints.told(kind.service).is_some();
    to.url = [if is_told { &*base } else { &*named }, "/"].concat();
    to.method = Verb::Post;
    let slash = if account.is_empty() { "" } else { "/" };
    let queue = [account, slash, queue].concat();
    let (first, second) = match kind.what {
        What::Bucket | What::Delivery => (name, ""),
        What::Stream => (whole, ""),
        What::Queue => (&*named, &*queue),
        What::Group => name.rsplit_once('/').unwrap_or_default(),
    };
    let duty = match kind.what {
        What::Bucket => {
            to.method = Verb::Put;
            let prefix = prefix.trim_matches('/');
            if !prefix.is_empty() {
                to.url.push_str(&encoded(prefix, "/"));
                to.url.push('/');
            }
            let lines = match to.headers.first().map(|(_, kind)| &**kind) {
                Some("application/x-ndjson") => ".ndjson",
                Some("application/json") => ".json",
                _ => "",
            };
            let function = environment.get("AWS_LAMBDA_FUNCTION_NAME");
            Duty::Object {
                function: function.unwrap_or("brooklet").to_owned(),
                extension: [lines, if to.gzip { ".gz" } else { "" }].concat(),
            }
        }
        What::Group => Duty::Stream {
            group: first.to_owned(),
            stream: second.to_owned(),
        },
        _ => Duty::None,
    };
    if !kind.operation.is_empty() {
        to.headers = headers(kind.service, kind.operation);
    }
    to.reader = send::reader(format.name);
    // The owner's ideas of an answer are those of another destination.
    to.success.clear();
    to.aws = Some(service::Options {
        signing: options.signing(kind.service.name, region),
        duty,
    });
    Ok([first.to_owned(), second.to_owned()])
}

/// How requests to a host of AWS's that is called by its URL are signed: if it takes signatures, there are keys, and the URL holds no user.
pub(super) fn signed(url: &str, options: &Options) -> Option<service::Options> {
    if matches!(*options.source, Source::None) || http::has_user(url) {
        return None;
    }
    let (service, region) = signed_host(url)?;
    Some(service::Options {
        signing: options.signing(service, &region),
        duty: Duty::None,
    })
}

/// Whether a header is made by the signature, or tells the service what is called; any other is the owner's to set.
pub(super) fn is_of_signature(name: &str) -> bool {
    const NAMES: [&str; 6] = [
        "authorization",
        "host",
        "x-amz-content-sha256",
        "x-amz-date",
        "x-amz-security-token",
        "x-amz-target",
    ];
    NAMES.iter().any(|one| name.eq_ignore_ascii_case(one))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode;

    fn at(url: &str) -> Result<(String, [String; 2], String), String> {
        usable(url)?;
        let environment = Environment::of(&[("AWS_REGION", "eu-west-1")]);
        let options = super::super::aws(&environment);
        let mut to = send::Options {
            url: String::new(),
            headers: Vec::new(),
            reader: send::reader(""),
            success: Vec::new(),
            method: Verb::Post,
            gzip: false,
            hidden: Vec::new(),
            aws: None,
            http: http::Options::default(),
        };
        let format = encode::of_scheme(url).expect("a place");
        let names = call(url, format, &mut to, &options, &environment)?;
        let signing = to.aws.expect("it is signed").signing;
        let signed = format!("{} {}", signing.service, signing.region);
        Ok((to.url, names, signed))
    }

    #[test]
    fn a_url_names_a_place() {
        let aws = |service: &str| format!("https://{service}.eu-west-1.amazonaws.com/");
        for (given, url, names, signed) in [
            (
                "s3://logs/a b/c=d/",
                "https://logs.s3.eu-west-1.amazonaws.com/a%20b/c%3Dd/".to_owned(),
                ["logs/a b/c=d/", ""],
                "s3 eu-west-1",
            ),
            (
                "s3://logs?region=us-east-1",
                "https://logs.s3.us-east-1.amazonaws.com/".to_owned(),
                ["logs", ""],
                "s3 us-east-1",
            ),
            (
                "firehose://f",
                aws("firehose"),
                ["f", ""],
                "firehose eu-west-1",
            ),
            (
                "firehose://arn:aws:firehose:us-east-1:1:deliverystream/f",
                "https://firehose.us-east-1.amazonaws.com/".to_owned(),
                ["f", ""],
                "firehose us-east-1",
            ),
            (
                "kinesis://arn:aws:kinesis:eu-west-1:1:stream/k",
                aws("kinesis"),
                ["arn:aws:kinesis:eu-west-1:1:stream/k", ""],
                "kinesis eu-west-1",
            ),
            (
                "sqs://q",
                aws("sqs"),
                ["https://sqs.eu-west-1.amazonaws.com", "q"],
                "sqs eu-west-1",
            ),
            (
                "sqs://arn:aws:sqs:eu-west-1:1:q.fifo",
                aws("sqs"),
                ["https://sqs.eu-west-1.amazonaws.com", "1/q.fifo"],
                "sqs eu-west-1",
            ),
            (
                "sqs://sqs.us-west-2.amazonaws.com/1/q",
                "https://sqs.us-west-2.amazonaws.com/".to_owned(),
                ["https://sqs.us-west-2.amazonaws.com", "1/q"],
                "sqs us-west-2",
            ),
            (
                "sqs://vpce-1-a.sqs.us-west-2.vpce.amazonaws.com/1/q",
                "https://vpce-1-a.sqs.us-west-2.vpce.amazonaws.com/".to_owned(),
                ["https://vpce-1-a.sqs.us-west-2.vpce.amazonaws.com", "1/q"],
                "sqs us-west-2",
            ),
            (
                "cloudwatch://g/s",
                aws("logs"),
                ["g", "s"],
                "logs eu-west-1",
            ),
            (
                "cloudwatch:///aws/lambda/f/s",
                aws("logs"),
                ["/aws/lambda/f", "s"],
                "logs eu-west-1",
            ),
        ] {
            let expected = (url, names.map(ToOwned::to_owned), signed.to_owned());
            assert_eq!(at(given), Ok(expected), "{given}");
        }
    }

    #[test]
    fn a_user_of_the_owners_wins_over_the_functions_keys() {
        let keys = [("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "s")];
        let options = super::super::aws(&Environment::of(&keys));
        let host = "search-x.eu-west-1.es.amazonaws.com/logs?a=b@c";
        for (user, expected) in [("", true), ("user:password@", false), ("user@", false)] {
            let signing = signed(&format!("https://{user}{host}"), &options);
            assert_eq!(signing.is_some(), expected, "{user}");
        }
    }

    #[test]
    fn what_names_no_place_is_refused() {
        for bad in [
            "s3://",
            "s3:///prefix",
            "s3://b?endpoint=x",
            "firehose://a/b",
            "firehose://arn:aws:kinesis:eu-west-1:1:stream/k",
            "s3://arn:aws:s3:::bucket",
            "s3://arn:aws:s3:eu-west-1:1:accesspoint/a",
            "s3://b?region=",
            "cloudwatch:///stream",
            "kinesis://arn:aws:kinesis",
            "sqs://a/b/c/d",
            "sqs://1/",
            "cloudwatch://group",
            "cloudwatch://group/",
        ] {
            assert!(at(bad).is_err(), "{bad}");
        }
    }
}
