//! `cloudwatch`: log events for PutLogEvents, each with the whole record as its message, so that Logs Insights knows its fields.
//!
//! A call must hold its events in the order of their times, and no more than 24 hours of them.

use super::object::{Object, decimal, millis, string};
use super::quote::quote;
use super::{Encode, Format, Frame, LEFT_OUT, Options};
use crate::process::{Identity, Record};

/// The row of the table.
pub(super) const FORMAT: Format = Format {
    name: "cloudwatch",
    content_type: "application/x-amz-json-1.1",
    frame: Frame {
        head: "",
        separator: ",",
        tail: "]}",
    },
    // The service counts each message without its escapes and 26 bytes, which is less than what is written.
    batch_bytes: 1_048_576,
    record_bytes: 1_000_000,
    gzip: false,
    scheme: true,
    encoder: |options| Box::new(CloudWatch::new(options)),
    ..Format::PLAIN
};

/// What stands before the time of an event.
const BEGIN: &[u8] = b"{\"timestamp\":";

/// The most that the times of a call's events may lie apart, in milliseconds.
const SPAN_MS: u64 = 24 * 3_600_000;

/// Writes events.
#[derive(Debug)]
struct CloudWatch {
    /// Writes messages.
    object: Object,
    /// What stands before the first event.
    head: Vec<u8>,
}

impl CloudWatch {
    /// An encoder for a group and a stream.
    fn new(options: &Options) -> Self {
        let [group, stream] = &options.place;
        let mut head = b"{\"logGroupName\":".to_vec();
        string(&mut head, group);
        head.extend_from_slice(b",\"logStreamName\":");
        string(&mut head, stream);
        head.extend_from_slice(b",\"logEvents\":[");
        Self {
            object: Object::new(options),
            head,
        }
    }
}

/// The time of an event that is written.
fn time_of(event: &[u8]) -> u64 {
    let digits = event.get(BEGIN.len()..).unwrap_or_default();
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |sum: u64, digit| {
        sum.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'))
    })
}

impl Encode for CloudWatch {
    fn identify(&mut self, identity: &Identity) {
        self.object.identify(identity);
    }

    fn encode(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(BEGIN);
        decimal(out, millis(record));
        out.extend_from_slice(b",\"message\":");
        let from = out.len();
        self.object.encode(record, out);
        let message = out.split_off(from);
        quote(out, &message);
        out.push(b'}');
    }

    fn surround(&self, frame: &Frame, _bytes: usize, head: &mut Vec<u8>, tail: &mut Vec<u8>) {
        head.extend_from_slice(&self.head);
        tail.extend_from_slice(frame.tail.as_bytes());
    }

    fn gather(
        &self,
        fragments: &mut dyn Iterator<Item = &[u8]>,
        out: &mut Vec<u8>,
        places: &mut Vec<usize>,
    ) -> bool {
        let mut events: Vec<(u64, usize, &[u8])> = Vec::new();
        let mut in_order = true;
        // Few are out of order: the platform gives them their times. If all were reversed, as many as fit a call would be moved, a few thousand by half of their number.
        for event in fragments {
            let (at, time) = (events.len(), time_of(event));
            let place = events.partition_point(|(known, _, _)| *known <= time);
            in_order &= place == at;
            events.insert(place, (time, at, event));
        }
        let time = |event: Option<&(u64, usize, &[u8])>| event.map_or(0, |(time, _, _)| *time);
        let end = time(events.first()).saturating_add(SPAN_MS);
        if in_order && time(events.last()) < end {
            return false;
        }
        places.resize(events.len(), LEFT_OUT);
        out.extend_from_slice(&self.head);
        for (number, (time, at, event)) in events.into_iter().enumerate() {
            if time >= end {
                break;
            }
            if number > 0 {
                out.push(b',');
            }
            out.extend_from_slice(event);
            if let Some(place) = places.get_mut(at) {
                *place = number;
            }
        }
        out.extend_from_slice(b"]}");
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(times: &[u64]) -> (bool, String, Vec<usize>) {
        let encoder = CloudWatch::new(&Options {
            place: ["/g".into(), "s".into()],
            ..Options::default()
        });
        let events: Vec<String> = times
            .iter()
            .map(|time| format!("{{\"timestamp\":{time},\"message\":\"\"}}"))
            .collect();
        let (mut out, mut places) = (Vec::new(), Vec::new());
        let mut events = events.iter().map(String::as_bytes);
        let gathered = encoder.gather(&mut events, &mut out, &mut places);
        (gathered, String::from_utf8(out).expect("text"), places)
    }

    #[test]
    fn events_are_put_in_order_and_a_day_is_enough() {
        assert!(!gathered(&[1, 1, 2, SPAN_MS]).0);
        let (gathered_at_all, text, places) = gathered(&[7, SPAN_MS + 5, 5, 7, SPAN_MS + 4]);
        assert!(gathered_at_all);
        assert_eq!(places, [1, LEFT_OUT, 0, 2, 3]);
        let event = |time: u64| format!("{{\"timestamp\":{time},\"message\":\"\"}}");
        let events = [5, 7, 7, SPAN_MS + 4].map(event).join(",");
        assert_eq!(
            text,
            format!("{{\"logGroupName\":\"/g\",\"logStreamName\":\"s\",\"logEvents\":[{events}]}}")
        );
    }

    #[test]
    fn an_event_is_a_time_and_the_whole_record() {
        let mut encoder = CloudWatch::new(&Options::default());
        let mut out = Vec::new();
        encoder.encode(
            &Record {
                timestamp: Some("\"2026-11-22T16:42:19.261999Z\""),
                kind: "function",
                record: Some("{\t\"a\":\"\\\\\"}"),
                environment: "e",
                ..Record::default()
            },
            &mut out,
        );
        assert_eq!(
            String::from_utf8(out).expect("text"),
            r#"{"timestamp":1795365739261,"message":"{\"type\":\"function\",\"timestamp\":\"2026-11-22T16:42:19.261999Z\",\"record\":{ \"a\":\"\\\\\"},\"record_id\":\"e-0\"}"}"#
        );
    }
}
