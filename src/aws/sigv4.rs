//! AWS Signature Version 4, in the four steps of AWS's own document: canonical request, string to sign, signing key, signature.
//!
//! Pure: it reads no clock, holds no key and sends nothing.

use std::fmt::Write;

use crate::digest::{hex, hmac_sha256, sha256_hex};
use crate::parse;

/// The only algorithm.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// A request as it goes out.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// The path as in the request's first line, a slash at least, percent-encoded once.
    pub path: &'a str,
    /// What stands behind the question mark, as in the request's first line.
    pub query: &'a str,
    /// Every header that is signed, [in order](insert), its name in lower case and none of them twice: `host` must be among them, and any that begins with `x-amz-`.
    pub headers: &'a [(&'a str, &'a str)],
    /// The SHA-256 of the body, in hex.
    pub payload: &'a str,
    /// Whether the path is encoded once more for signing: S3 alone does not.
    pub encode_path: bool,
}

/// What a signature holds for.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The time as `20150830T123600Z`, which the header `x-amz-date` says too.
    pub timestamp: &'a str,
    /// The region.
    pub region: &'a str,
    /// The service's signing name.
    pub service: &'a str,
}

impl Scope<'_> {
    /// The scope as it is signed: day, region and service.
    fn credential(&self) -> String {
        let date = parse::cut(self.timestamp, 8);
        [date, self.region, self.service, "aws4_request"].join("/")
    }
}

/// A name and its value.
type Pair<'a> = (&'a str, &'a str);

/// Puts a pair among those before it in the order in which they are signed.
pub fn insert<'a>(pairs: &mut Vec<Pair<'a>>, pair: Pair<'a>) {
    let at = pairs.partition_point(|known| *known < pair);
    pairs.insert(at, pair);
}

/// The first step: the request in one form, whoever wrote it; and the names of the headers that are signed.
#[must_use]
pub fn canonical_request(request: &Request<'_>) -> (String, String) {
    let mut out = [request.method, "\n"].concat();
    let kept = if request.encode_path { "/" } else { "%/" };
    encode(request.path, kept, &mut out);
    out.push('\n');
    // What is encoded already stays.
    let mut query = String::new();
    encode(request.query, "%&=", &mut query);
    let mut pairs = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        insert(&mut pairs, pair.split_once('=').unwrap_or((pair, "")));
    }
    for (at, (name, value)) in pairs.into_iter().enumerate() {
        if at > 0 {
            out.push('&');
        }
        out.push_str(name);
        out.push('=');
        encode(value, "%", &mut out);
    }
    out.push('\n');
    let mut names = String::new();
    for (name, value) in request.headers {
        out.push_str(name);
        out.push(':');
        for (at, word) in value.split_ascii_whitespace().enumerate() {
            if at > 0 {
                out.push(' ');
            }
            out.push_str(word);
        }
        out.push('\n');
        if !names.is_empty() {
            names.push(';');
        }
        names.push_str(name);
    }
    out.push('\n');
    out.push_str(&names);
    out.push('\n');
    out.push_str(request.payload);
    (out, names)
}

/// The second step.
#[must_use]
pub fn string_to_sign(timestamp: &str, credential: &str, canonical_request: &str) -> String {
    let hash = sha256_hex(canonical_request.as_bytes());
    [ALGORITHM, timestamp, credential, &hash].join("\n")
}

/// The third step: a key that is good for one day, region and service.
#[must_use]
pub fn signing_key(secret: &str, credential: &str) -> Vec<u8> {
    let mut key = ["AWS4", secret].concat().into_bytes();
    for part in credential.split('/') {
        key = hmac_sha256(&key, part);
    }
    key
}

/// The fourth step.
#[must_use]
pub fn signature(signing_key: &[u8], string_to_sign: &str) -> String {
    hex(&hmac_sha256(signing_key, string_to_sign))
}

/// The value of the header `authorization`.
#[must_use]
pub fn authorization(
    request: &Request<'_>,
    scope: &Scope<'_>,
    key_id: &str,
    secret: &str,
) -> String {
    let (canonical, names) = canonical_request(request);
    let credential = scope.credential();
    let signature = signature(
        &signing_key(secret, &credential),
        &string_to_sign(scope.timestamp, &credential, &canonical),
    );
    format!(
        "{ALGORITHM} Credential={key_id}/{credential}, SignedHeaders={names}, Signature={signature}"
    )
}

/// Text as it may stand in a path or a query: everything but letters, digits and `-._~` percent-encoded, and but for the characters of `kept`.
#[must_use]
pub fn encoded(text: &str, kept: &str) -> String {
    let mut out = String::new();
    encode(text, kept, &mut out);
    out
}

/// Appends such text.
fn encode(text: &str, kept: &str, out: &mut String) {
    for byte in text.bytes() {
        let free = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        if free || kept.as_bytes().contains(&byte) {
            out.push(char::from(byte));
            continue;
        }
        // Writing into memory cannot fail.
        write!(out, "%{byte:02X}").unwrap_or(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret of AWS's examples.
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    /// The secret of its examples for S3.
    const S3_SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

    /// The SHA-256 of nothing.
    const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    const IAM: Scope<'_> = Scope {
        timestamp: "20150830T123600Z",
        region: "us-east-1",
        service: "iam",
    };

    fn in_order<'a>(headers: &[Pair<'a>]) -> Vec<Pair<'a>> {
        let mut all = Vec::new();
        for header in headers {
            insert(&mut all, *header);
        }
        all
    }

    /// The example of the IAM User Guide, step by step.
    #[test]
    fn the_documents_own_example() {
        let headers = [
            (
                "content-type",
                "application/x-www-form-urlencoded; charset=utf-8",
            ),
            ("host", "iam.amazonaws.com"),
            ("x-amz-date", "20150830T123600Z"),
        ];
        let request = Request {
            method: "GET",
            path: "/",
            query: "Version=2010-05-08&Action=ListUsers",
            headers: &headers,
            payload: NOTHING,
            encode_path: true,
        };
        let (canonical, names) = canonical_request(&request);
        assert_eq!(
            canonical,
            concat!(
                "GET\n/\nAction=ListUsers&Version=2010-05-08\n",
                "content-type:application/x-www-form-urlencoded; charset=utf-8\n",
                "host:iam.amazonaws.com\nx-amz-date:20150830T123600Z\n\n",
                "content-type;host;x-amz-date\n",
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
            )
        );
        assert_eq!(names, "content-type;host;x-amz-date");
        let to_sign = string_to_sign(IAM.timestamp, &IAM.credential(), &canonical);
        assert_eq!(
            to_sign,
            concat!(
                "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/iam/aws4_request\n",
                "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59"
            )
        );
        let key = signing_key(SECRET, &IAM.credential());
        assert_eq!(
            hex(&key),
            "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"
        );
        assert_eq!(
            signature(&key, &to_sign),
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
        );
        assert_eq!(
            authorization(&request, &IAM, "AKIDEXAMPLE", SECRET),
            concat!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, ",
                "SignedHeaders=content-type;host;x-amz-date, ",
                "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
            )
        );
    }

    /// AWS's test suite for signers: `get-vanilla`, `get-vanilla-query-order-value`, `get-header-value-trim`, `post-x-www-form-urlencoded`.
    #[test]
    fn the_test_suite() {
        let scope = Scope {
            service: "service",
            ..IAM
        };
        let base = [
            ("host", "example.amazonaws.com"),
            ("x-amz-date", "20150830T123600Z"),
        ];
        let form = "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e";
        for (method, query, more, payload, expected) in [
            (
                "GET",
                "",
                &[][..],
                NOTHING,
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "GET",
                "Param1=value2&Param1=value1",
                &[],
                NOTHING,
                "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694",
            ),
            (
                "GET",
                "",
                &[("my-header1", " value1"), ("my-header2", " \"a   b   c\"")],
                NOTHING,
                "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
            ),
            (
                "POST",
                "",
                &[("content-type", "application/x-www-form-urlencoded")],
                form,
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
        ] {
            let headers = in_order(&[&base[..], more].concat());
            let request = Request {
                method,
                path: "/",
                query,
                headers: &headers,
                payload,
                encode_path: true,
            };
            let signed = authorization(&request, &scope, "AKIDEXAMPLE", SECRET);
            assert!(signed.ends_with(expected), "{query} {more:?}: {signed}");
        }
    }

    /// The examples of the S3 API reference, whose path is encoded once.
    #[test]
    fn the_examples_of_s3() {
        let scope = Scope {
            timestamp: "20130524T000000Z",
            region: "us-east-1",
            service: "s3",
        };
        let base = [
            ("host", "examplebucket.s3.amazonaws.com"),
            ("x-amz-date", "20130524T000000Z"),
        ];
        let put = sha256_hex(b"Welcome to Amazon S3.");
        for (method, path, query, more, payload, canonical, expected) in [
            (
                "GET",
                "/test.txt",
                "",
                &[("range", "bytes=0-9")][..],
                NOTHING,
                "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972",
                "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            ),
            (
                "PUT",
                "/test%24file.text",
                "",
                &[
                    ("date", "Fri, 24 May 2013 00:00:00 GMT"),
                    ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
                ],
                &put,
                "9e0e90d9c76de8fa5b200d8c849cd5b8dc7a3be3951ddb7f6a76b4158342019d",
                "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
            ),
            (
                "GET",
                "/",
                "lifecycle",
                &[],
                NOTHING,
                "9766c798316ff2757b517bc739a67f6213b4ab36dd5da2f94eaebf79c77395ca",
                "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
            ),
            (
                "GET",
                "/",
                "max-keys=2&prefix=J",
                &[],
                NOTHING,
                "df57d21db20da04d7fa30298dd4488ba3a2b47ca3a489c74750e0f1e7df1b9b7",
                "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            ),
        ] {
            let headers = [&base[..], &[("x-amz-content-sha256", payload)], more].concat();
            let headers = in_order(&headers);
            let request = Request {
                method,
                path,
                query,
                headers: &headers,
                payload,
                encode_path: false,
            };
            let (told, _) = canonical_request(&request);
            assert_eq!(sha256_hex(told.as_bytes()), canonical, "{told}");
            let signed = authorization(&request, &scope, "AKIAIOSFODNN7EXAMPLE", S3_SECRET);
            assert!(signed.ends_with(expected), "{path}?{query}: {signed}");
        }
    }

    #[test]
    fn what_is_encoded_is_encoded_as_each_service_wants() {
        let request = |path, query, encode_path| {
            let (canonical, _) = canonical_request(&Request {
                method: "POST",
                path,
                query,
                headers: &[],
                payload: "",
                encode_path,
            });
            canonical
                .lines()
                .skip(1)
                .take(2)
                .collect::<Vec<_>>()
                .join("?")
        };
        let filter = "b&filter_path=errors,items.*.status&a=%2C";
        assert_eq!(
            request("/a%20b/_bulk", filter, true),
            "/a%2520b/_bulk?a=%2C&b=&filter_path=errors%2Citems.%2A.status"
        );
        assert_eq!(request("/a%20b/c", "", false), "/a%20b/c?");
        assert_eq!(encoded("a/b ü+", "/"), "a/b%20%C3%BC%2B");
    }
}
