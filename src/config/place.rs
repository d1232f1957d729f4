//! A destination in AWS, as its URL names it: `s3://bucket/prefix`, `firehose://stream`, `kinesis://stream`, `sqs://queue`, `cloudwatch://group/stream`.
//!
//! A stream or queue may be its ARN, and `?region=` may name another region than the function's.

use super::Environment;
use crate::aws::credentials::Source;
use crate::aws::endpoint::{FIREHOSE, KINESIS, LOGS, S3, SQS, signed_host};
use crate::aws::sigv4::encoded;
use crate::aws::{Options, headers};
use crate::encode::Format;
use crate::http::{self, Verb};
use crate::send;
use crate::send::service::{self, Duty};

/// A URL's parts.
#[derive(Debug, PartialEq, Eq)]
struct Parts<'a> {
    /// The service.
    scheme: &'a str,
    /// What stands between the scheme and the question mark, without an ARN's beginning.
    name: &'a str,
    /// The whole ARN, if it is one.
    arn: Option<&'a str>,
    /// The account that an ARN names.
    account: &'a str,
    /// The region that the URL or an ARN names.
    region: Option<&'a str>,
}

impl<'a> Parts<'a> {
    /// Takes a URL apart.
    fn of(url: &'a str) -> Result<Self, String> {
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let told = match query.split_once('=') {
            None if query.is_empty() => None,
            Some(("region", region)) if is_region(region) => Some(region),
            _ => return Err("behind the question mark only region=<region> is known".to_owned()),
        };
        if rest.is_empty() {
            return Err("it names nothing behind ://".to_owned());
        }
        let mut parts = Self {
            scheme,
            name: rest,
            arn: None,
            account: "",
            region: told,
        };
        if rest.starts_with("arn:") {
            // arn:partition:service:region:account:resource
            let mut fields = rest.splitn(6, ':').skip(2);
            let (service, region) = (fields.next(), fields.next().unwrap_or_default());
            let (Some(service), account, Some(resource)) =
                (service, fields.next().unwrap_or_default(), fields.next())
            else {
                return Err("it is not a whole ARN".to_owned());
            };
            if !service.eq_ignore_ascii_case(scheme) || scheme == "s3" || !is_region(region) {
                return Err(format!("it is no ARN of {scheme}"));
            }
            parts.arn = Some(rest);
            parts.account = account;
            // stream/name, deliverystream/name, or the queue's name itself.
            parts.name = resource.split_once('/').map_or(resource, |(_, name)| name);
            parts.region = told.or(Some(region));
        }
        let (name, slashes) = (parts.name, parts.name.matches('/').count());
        match scheme {
            "s3" if name.starts_with('/') => Err("it names no bucket".to_owned()),
            "firehose" | "kinesis" if slashes > 0 => {
                Err(format!("it must be {scheme}://stream or an ARN"))
            }
            "sqs" if slashes > 2 || name.ends_with('/') => Err(
                "it must be sqs://queue, sqs://account/queue, an ARN or a queue's URL without https://"
                    .to_owned(),
            ),
            "cloudwatch" if slashes == 0 || name.ends_with('/') || name.rfind('/') == Some(0) => {
                Err("it must be cloudwatch://group/stream".to_owned())
            }
            _ => Ok(parts),
        }
    }
}

/// Whether text can be a region's name.
fn is_region(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.chars().all(plain)
}

/// Whether a URL of one of these schemes names a place.
///
/// # Errors
/// What is wrong with it, in words.
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
    let parts = Parts::of(url)?;
    let name = parts.name;
    let queue_host = name.split_once('/').map(|(host, _)| host);
    let queue_host = queue_host.filter(|host| parts.scheme == "sqs" && host.contains('.'));
    // <queue>.<region>.…, or a VPC endpoint's name before it.
    let of_host = queue_host.and_then(|host| {
        let mut labels = host.split('.').skip_while(|label| *label != "sqs");
        labels.nth(1).filter(|region| is_region(region))
    });
    let region = parts.region.or(of_host).or(options.region.as_deref());
    let region = region.ok_or("no region is known: neither AWS_REGION nor ?region= is set")?;
    let (service, operation) = match parts.scheme {
        "s3" => (&S3, ""),
        "firehose" => (&FIREHOSE, "PutRecordBatch"),
        "kinesis" => (&KINESIS, "PutRecords"),
        "sqs" => (&SQS, "SendMessageBatch"),
        _ => (&LOGS, "PutLogEvents"),
    };
    let endpoints = &options.endpoints;
    let url = endpoints.url(service, region);
    to.url = [&*url, "/"].concat();
    to.method = Verb::Post;
    let mut names = [name.to_owned(), String::new()];
    let mut duty = Duty::None;
    match parts.scheme {
        "s3" => {
            let (bucket, prefix) = name.split_once('/').unwrap_or((name, ""));
            let prefix = encoded(prefix.trim_matches('/'), "/");
            let slash = if prefix.is_empty() { "" } else { "/" };
            to.url = [&*endpoints.bucket(bucket, region), "/", &prefix, slash].concat();
            to.method = Verb::Put;
            let lines = match to.headers.first().map(|(_, kind)| &**kind) {
                Some("application/x-ndjson") => ".ndjson",
                Some("application/json") => ".json",
                _ => "",
            };
            let function = environment.get("AWS_LAMBDA_FUNCTION_NAME");
            duty = Duty::Object {
                function: function.unwrap_or("brooklet").to_owned(),
                extension: [lines, if to.gzip { ".gz" } else { "" }].concat(),
            };
        }
        "sqs" => {
            let [base, queue] = &mut names;
            if let Some(host) = queue_host {
                *base = ["https://", host].concat();
                *queue = name.get(host.len() + 1..).unwrap_or_default().to_owned();
                if endpoints.told(&SQS).is_none() {
                    to.url = [&**base, "/"].concat();
                }
            } else {
                let slash = if parts.account.is_empty() { "" } else { "/" };
                *queue = [parts.account, slash, name].concat();
                *base = url;
            }
        }
        "cloudwatch" => {
            let (group, stream) = name.rsplit_once('/').unwrap_or_default();
            names = [group.to_owned(), stream.to_owned()];
            let [group, stream] = names.clone();
            duty = Duty::Stream { group, stream };
        }
        _ => {
            if let Some(arn) = parts.arn.filter(|_| parts.scheme == "kinesis") {
                arn.clone_into(&mut names[0]);
            }
        }
    }
    if !operation.is_empty() {
        to.headers = headers(service, operation);
    }
    to.reader = send::reader(format.name);
    // The owner's ideas of an answer are those of another destination.
    to.success.clear();
    to.aws = Some(service::Options {
        signing: options.signing(service.name, region),
        duty,
    });
    Ok(names)
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
