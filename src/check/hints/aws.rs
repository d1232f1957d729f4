//! The usual mistakes with places in AWS, told from how its services answer.
//!
//! What one service says comes before what all of them say.

use super::{Hint, SECRET, of};

/// The format of rows for every service of AWS.
pub(super) const AWS: &str = "aws";

/// How services of AWS refuse: their JSON says it of the records, with whatever status.
const REFUSED: &[u16] = &[200, 301, 400, 403, 404];

/// What they say of somebody who may not.
const DENIED: &[&str] = &["accessdenied", "not authorized"];

/// How a service of secrets is told of that nobody reaches.
const AWAY: &[&str] = &["in time", "does not resolve", "connection"];

/// What that comes of.
const WAY: &str = "nothing answers: a VPC needs a way out, or an endpoint of the service, and BROOKLET_AWS_ENDPOINT_URL if that has a name of its own";

/// The rows.
pub(super) const ROWS: &[Hint] = &[
    of("s3", REFUSED, &["nosuchbucket"], "there is no such bucket"),
    of(
        "s3",
        REFUSED,
        &[
            "redirect",
            "authorizationheadermalformed",
            "illegallocation",
        ],
        "the bucket is in another region: write it behind, as s3://bucket/prefix?region=eu-west-1",
    ),
    of(
        "s3",
        REFUSED,
        &["accessdenied"],
        "the role needs s3:PutObject on the bucket's objects, and kms:GenerateDataKey for a key of your own",
    ),
    of(
        "firehose",
        REFUSED,
        DENIED,
        "the role needs firehose:PutRecordBatch on the stream",
    ),
    of(
        "kinesis",
        REFUSED,
        DENIED,
        "the role needs kinesis:PutRecords on the stream, and kms:GenerateDataKey for a key of your own",
    ),
    of(
        "sqs",
        REFUSED,
        DENIED,
        "the role needs sqs:SendMessage on the queue, and kms:GenerateDataKey for a key of your own",
    ),
    of(
        "cloudwatch",
        REFUSED,
        DENIED,
        "the role needs logs:PutLogEvents, and logs:CreateLogStream and logs:CreateLogGroup to make them",
    ),
    of(SECRET, &[], AWAY, WAY),
    of(
        SECRET,
        &[],
        DENIED,
        "the role needs ssm:GetParameters or secretsmanager:GetSecretValue on it, and kms:Decrypt for a key of your own",
    ),
    of(
        AWS,
        REFUSED,
        &["notfound", "doesnotexist", "nonexistent"],
        "there is none of that name in this region and account: give its ARN, or write ?region=eu-west-1 behind it",
    ),
    of(
        AWS,
        REFUSED,
        &["signature", "malformed"],
        "the secret key is not this key's, or something on the way changes requests",
    ),
    of(
        AWS,
        REFUSED,
        &["expired"],
        "the credentials expired: get new ones; in Lambda the next environment has them",
    ),
    of(
        AWS,
        REFUSED,
        &[
            "securitytoken",
            "clienttoken",
            "invalidtoken",
            "unrecognizedclient",
            "invalidaccesskeyid",
        ],
        "the key is not known in this partition, or goes with another AWS_SESSION_TOKEN",
    ),
    of(
        AWS,
        &[403],
        &[],
        "the role, or a policy of the other side, does not allow it",
    ),
];
