//! What goes wrong whatever the format is.
//!
//! No vendor's own words stand here.

use super::{Hint, of};

/// What is never the format's matter, and so comes before its rows.
pub(super) const FIRST: &[Hint] = &[of(
    "",
    &[400],
    &["http request to an https", "plain http request was sent"],
    "the port is one for TLS: the endpoint begins with https://",
)];

/// What may be any format's, and so comes after its rows.
pub(super) const LAST: &[Hint] = &[
    of(
        "",
        &[401, 403],
        &[],
        "the key is missing, wrong or of another account: BROOKLET_API_KEY, or BROOKLET_HEADERS where the header is another one",
    ),
    of(
        "",
        &[404, 405],
        &[],
        "the host answers, but not at this path or not to this method: is the endpoint whole?",
    ),
    of(
        "",
        &[415],
        &[],
        "the destination does not take this content type or compression: try BROOKLET_COMPRESSION=none or another BROOKLET_FORMAT",
    ),
    of(
        "",
        &[301, 302, 303, 307, 308],
        &[],
        "a redirect is not followed: set the endpoint to where it points",
    ),
    of(
        "",
        &[407],
        &[],
        "the proxy wants a user and a password: BROOKLET_PROXY=http://user:password@host:port",
    ),
    of(
        "",
        &[429],
        &[],
        "the destination is there and takes no more for now: is the account's quota or its rate used up?",
    ),
    of(
        "",
        &[502, 503, 504],
        &[],
        "the destination, or what it stands behind, is down or starts; if it stays so, is the host the right one?",
    ),
    of(
        "",
        &[],
        &["does not resolve"],
        "is the host spelled right? From within a VPC or behind a proxy, can this name be looked up?",
    ),
    of(
        "",
        &[],
        &["connection refused"],
        "nothing listens at this port: is it the right one (Elasticsearch 9200, Loki 3100, OTLP 4318, Splunk 8088, VictoriaLogs 9428), and is the proxy's right, if there is one?",
    ),
    of(
        "",
        &[],
        &["proxy failed"],
        "the proxy answers and does not lead there: it must allow CONNECT to this host and port",
    ),
    of(
        "",
        &[],
        &["certificate"],
        "the certificate is not trusted, or is another host's: BROOKLET_CA_FILE takes that of the authority which signed it",
    ),
    of(
        "",
        &[],
        &["corrupt message", "alert"],
        "the port does not speak TLS as it should: is it one for http://?",
    ),
    of(
        "",
        &[],
        &["http parse"],
        "the port does not speak HTTP: is it one for TLS, so that the endpoint begins with https://, or for another protocol?",
    ),
    of(
        "",
        &[],
        &["reset", "disconnected", "end of file"],
        "it hangs up without an answer: so does a port for TLS that is called with http://, and one without TLS that is called with https://",
    ),
    of(
        "",
        &[],
        &["in time"],
        "nothing answers: a wrong host or port, a firewall, or a VPC without a way out",
    ),
];
