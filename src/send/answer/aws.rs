//! What services of AWS answer: the name of an error, which says more than its status; and what became of single records.
//!
//! Throttling is often a 400, and so is what no other record would fare better with.

use super::{Fate, Reading, elements};
use crate::aws::{error_in, holds, item_error, refusal};
use crate::parse::Fields;
use crate::send::retry::Verdict;

/// Parts of the names of errors that may pass.
const PASSING: [&str; 14] = [
    "Throttl",
    "ThroughputExceeded",
    "LimitExceeded",
    "TooManyRequests",
    "SlowDown",
    "ServiceUnavailable",
    "InternalFailure",
    "InternalError",
    "InternalServer",
    "RequestTimeout",
    "OperationAborted",
    // Damaged on its way.
    "IncompleteBody",
    "BadDigest",
    "ContentSHA256Mismatch",
];

/// Parts of the names of errors of a payload that holds too much.
const LARGE: [&str; 3] = ["BatchRequestTooLong", "EntityTooLarge", "TooManyEntries"];

/// Parts of the names of errors that may be one record's: it is searched for.
const CULPRIT: [&str; 4] = [
    "InvalidParameter",
    "InvalidArgument",
    "Validation",
    "InvalidMessage",
];

/// What becomes of a record with an error of this name.
fn fate(name: &str) -> Fate {
    if holds(name, &PASSING) {
        Fate::Again
    } else {
        Fate::Refused
    }
}

/// Reads an answer that tells of all records alike; nothing if it tells that all is well.
pub(super) fn read(status: u16, body: &[u8], records: usize) -> Reading {
    let name = error_in(body);
    if name.is_empty() || !(400..500).contains(&status) {
        return Reading::Nothing;
    }
    if holds(name, &PASSING) {
        return Reading::All(Verdict::Later);
    }
    if holds(name, &LARGE) {
        return Reading::All(Verdict::TooLarge);
    }
    if status != 400 || holds(name, &CULPRIT) {
        return Reading::Nothing;
    }
    Reading::Items {
        fates: vec![Fate::Refused; records],
        why: refusal(status, name, body),
    }
}

/// Reads an answer that tells of single records if its status is 200.
fn success(
    status: u16,
    body: &[u8],
    records: usize,
    single: fn(&Fields<'_>, usize) -> Reading,
) -> Reading {
    if status != 200 {
        return read(status, body, records);
    }
    let answer = Fields::of(std::str::from_utf8(body).unwrap_or_default());
    single(&answer, records)
}

/// Reads an answer of PutRecordBatch or PutRecords: how many failed, and which.
pub(super) fn records(status: u16, body: &[u8], records: usize) -> Reading {
    success(status, body, records, |answer, records| {
        let either = |firehose, kinesis| answer.get(firehose).or_else(|| answer.get(kinesis));
        match either("FailedPutCount", "FailedRecordCount") {
            None => return odd(),
            Some("0") => return Reading::Nothing,
            Some(_) => {}
        }
        let items = either("RequestResponses", "Records").and_then(elements);
        let (mut fates, mut why) = (Vec::new(), String::new());
        for item in items.unwrap_or_default() {
            let item = Fields::of(item);
            let name = item.inside("ErrorCode");
            if name.is_some() && why.is_empty() {
                why = item_error(&item, "ErrorCode", "ErrorMessage");
            }
            fates.push(name.map_or(Fate::Delivered, fate));
        }
        // What it does not tell of is sent again.
        fates.resize(records, Fate::Again);
        Reading::Items { fates, why }
    })
}

/// Reads an answer of SendMessageBatch: which messages were taken and which failed, by their numbers.
pub(super) fn messages(status: u16, body: &[u8], records: usize) -> Reading {
    success(status, body, records, |answer, records| {
        // What it does not tell of is sent again.
        let mut fates = vec![Fate::Again; records];
        let mut why = "messages that it does not tell of".to_owned();
        let mut tells = false;
        for &(list, is_taken) in &[("Successful", true), ("Failed", false)] {
            for item in answer.get(list).and_then(elements).unwrap_or_default() {
                tells = true;
                let item = Fields::of(item);
                let number = item.inside("Id").and_then(|id| id.parse::<usize>().ok());
                let Some(known) = number.and_then(|number| fates.get_mut(number)) else {
                    continue;
                };
                *known = match item.get("SenderFault") {
                    _ if is_taken => Fate::Delivered,
                    // Throttling counts as the sender's fault too.
                    Some("true") => fate(item.inside("Code").unwrap_or_default()),
                    _ => Fate::Again,
                };
                if !is_taken {
                    why = item_error(&item, "Code", "Message");
                }
            }
        }
        if tells {
            Reading::Items { fates, why }
        } else {
            odd()
        }
    })
}

/// Reads an answer of PutLogEvents: from where on events are too new, and up to where they are too old or expired.
pub(super) fn events(status: u16, body: &[u8], records: usize) -> Reading {
    success(status, body, records, |answer, records| {
        let rejected = answer.object("rejectedLogEventsInfo");
        let index = |name| rejected.get(name).and_then(|at| at.parse::<usize>().ok());
        let old = index("tooOldLogEventEndIndex").max(index("expiredLogEventEndIndex"));
        let new = index("tooNewLogEventStartIndex");
        if old.is_none() && new.is_none() {
            return Reading::Nothing;
        }
        // Where it tells of old ones there is one at least.
        let taken = old.map_or(0, |end| end.max(1))..new.unwrap_or(records);
        let mut fates = vec![Fate::Refused; records];
        for (at, fate) in fates.iter_mut().enumerate() {
            if taken.contains(&at) {
                *fate = Fate::Delivered;
            }
        }
        Reading::Items {
            fates,
            why: "their times are more than 14 days ago, before what the group keeps, or more than 2 hours ahead".to_owned(),
        }
    })
}

/// A success that does not tell of what was sent.
fn odd() -> Reading {
    Reading::Refused {
        records: 0,
        why: "no answer about records: is the endpoint right?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::Fate::{Again, Delivered, Refused};
    use super::*;

    fn fates(reading: Reading) -> (Vec<Fate>, String) {
        match reading {
            Reading::Items { fates, why } => (fates, why),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_name_of_an_error_says_more_than_its_status() {
        let named = |name: &str| format!("{{\"__type\":\"x#{name}\",\"message\":\"told\"}}");
        for (status, name, expected) in [
            (400, "ThrottlingException", Some(Verdict::Later)),
            (
                400,
                "ProvisionedThroughputExceededException",
                Some(Verdict::Later),
            ),
            (400, "LimitExceededException", Some(Verdict::Later)),
            (
                400,
                "AWS.SimpleQueueService.BatchRequestTooLong",
                Some(Verdict::TooLarge),
            ),
            (400, "InvalidParameterException", None),
            (400, "ValidationException", None),
            (403, "AccessDenied", None),
            (503, "ServiceUnavailableException", None),
        ] {
            let expected = expected.map_or(Reading::Nothing, Reading::All);
            assert_eq!(read(status, named(name).as_bytes(), 2), expected, "{name}");
        }
        for name in ["AccessDeniedException", "ResourceNotFoundException"] {
            let (all, why) = fates(read(400, named(name).as_bytes(), 2));
            assert_eq!(all, [Refused; 2]);
            assert_eq!(why, format!("400 {name}: told"));
        }
        let xml = b"<Error><Code>SlowDown</Code></Error>";
        assert_eq!(read(403, xml, 1), Reading::All(Verdict::Later));
        assert_eq!(read(400, b"<html>", 1), Reading::Nothing);
    }

    #[test]
    fn each_record_has_a_fate() {
        let firehose = r#"{"FailedPutCount":2,"Encrypted":false,"RequestResponses":[{"RecordId":"a"},{"ErrorCode":"ServiceUnavailableException","ErrorMessage":"Slow \"down\"."},{"ErrorCode":"Other"}]}"#;
        let kinesis = r#"{"FailedRecordCount":2,"Records":[{"SequenceNumber":"1","ShardId":"s"},{"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"Rate"},{"ErrorCode":"KMSDisabledException","ErrorMessage":"x"}]}"#;
        let (all, why) = fates(records(200, firehose.as_bytes(), 3));
        assert_eq!(all, [Delivered, Again, Refused]);
        assert_eq!(why, "ServiceUnavailableException: Slow \"down\".");
        let (all, why) = fates(records(200, kinesis.as_bytes(), 3));
        assert_eq!(all, [Delivered, Again, Refused]);
        assert_eq!(why, "ProvisionedThroughputExceededException: Rate");
        for well in [
            &br#"{"FailedPutCount":0,"RequestResponses":[{"RecordId":"a"}]}"#[..],
            br#"{"FailedRecordCount":0}"#,
        ] {
            assert_eq!(records(200, well, 1), Reading::Nothing);
        }
        let (all, _) = fates(records(200, b"{\"FailedPutCount\":1}", 2));
        assert_eq!(all, [Again; 2], "it does not say which");
        let odd = records(200, b"OK", 1);
        assert!(matches!(odd, Reading::Refused { records: 0, .. }));
    }

    #[test]
    fn messages_are_known_by_their_numbers() {
        let body = r#"{"Failed":[{"Id":"2","SenderFault":true,"Code":"InvalidMessageContents","Message":"no"},{"Id":"1","SenderFault":false,"Code":"InternalError"},{"Id":"9"}],"Successful":[{"Id":"0","MessageId":"m"}]}"#;
        let (all, why) = fates(messages(200, body.as_bytes(), 4));
        assert_eq!(all, [Delivered, Again, Refused, Again]);
        assert_eq!(why, "InternalError: ");
        let busy = r#"{"Failed":[{"Id":"0","SenderFault":true,"Code":"KMS.ThrottlingException"},{"Id":"1","SenderFault":true,"Code":"RequestThrottled"},{"Id":"2","SenderFault":true}]}"#;
        let (all, _) = fates(messages(200, busy.as_bytes(), 3));
        assert_eq!(all, [Again, Again, Refused]);
        let odd = messages(200, b"{}", 1);
        assert!(matches!(odd, Reading::Refused { records: 0, .. }));
    }

    #[test]
    fn events_are_told_by_their_ends() {
        for (info, expected) in [
            ("{}", None),
            (r#"{"rejectedLogEventsInfo":{}}"#, None),
            (
                r#"{"rejectedLogEventsInfo":{"tooNewLogEventStartIndex":3,"tooOldLogEventEndIndex":1}}"#,
                Some([Refused, Delivered, Delivered, Refused]),
            ),
            (
                r#"{"rejectedLogEventsInfo":{"expiredLogEventEndIndex":2,"tooOldLogEventEndIndex":1}}"#,
                Some([Refused, Refused, Delivered, Delivered]),
            ),
        ] {
            let read = events(200, info.as_bytes(), 4);
            match expected {
                Some(expected) => assert_eq!(fates(read).0, expected, "{info}"),
                None => assert_eq!(read, Reading::Nothing, "{info}"),
            }
        }
    }
}
