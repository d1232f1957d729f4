//! The conversation about secrets: flush threads ask for them, one thread fetches them and tells all.
//!
//! What travels here must never be shown.

use std::fmt;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::{FlushEnd, MainEnd, Order, Report};

/// Asks that may wait; one more would change nothing.
const ASKS_MAX: usize = 16;

/// Secrets as they were fetched, or why one could not be had.
#[derive(Default)]
pub struct Found {
    /// Which fetch it was, from 1.
    pub number: u64,
    /// References, with the value or the reason.
    pub values: Vec<(String, Result<String, String>)>,
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl Found {
    /// The value of a reference.
    ///
    /// # Errors
    /// The reference and why it could not be had; holds no secret.
    pub fn value(&self, reference: &str) -> Result<&str, String> {
        let found = self.values.iter().find(|(known, _)| known == reference);
        let why = match found {
            Some((_, Ok(value))) => return Ok(value),
            Some((_, Err(why))) => why,
            None => "it could not be fetched",
        };
        Err([reference, ": ", why].concat())
    }

    /// Adds all parts, as soon as no thread is left that tells one.
    pub fn add(&mut self, parts: &Receiver<(usize, Report)>) {
        while let Ok((_, report)) = parts.recv() {
            if let Report::Told(part) = report {
                self.values.extend(part.values);
            }
        }
    }
}

/// A way for what several threads find to the one that wants all of it; of a type that travels anyway.
#[derive(Debug, Clone)]
pub struct Parts(Sender<(usize, Report)>);

impl Parts {
    /// The way, for so many parts, and its end.
    #[must_use]
    pub fn new(parts: usize) -> (Self, Receiver<(usize, Report)>) {
        let (tell, told) = bounded(parts);
        (Self(tell), told)
    }

    /// Hands on a part.
    pub fn tell(&self, part: Found) {
        self.0.try_send((0, Report::Told(part))).unwrap_or(());
    }
}

/// The ends of the thread of the secrets.
#[derive(Debug)]
pub struct KeepEnd {
    /// Asks in, among reports that are nobody's here.
    asks: Receiver<(usize, Report)>,
    /// The way to each lane, as its orders go.
    lanes: Vec<Sender<Order>>,
}

impl KeepEnd {
    /// Waits for a lane that asks; gives back its number, and that of what it has.
    #[must_use]
    pub fn asked(&self) -> Option<(usize, u64)> {
        loop {
            if let (lane, Report::Asks { seen }) = self.asks.recv().ok()? {
                return Some((lane, seen));
            }
        }
    }

    /// Tells a lane; one that has not come to its last orders asks again later.
    pub fn tell(&self, lane: usize, found: &Arc<Found>) {
        if let Some(lane) = self.lanes.get(lane) {
            lane.try_send(Order::Learn(Arc::clone(found))).unwrap_or(());
        }
    }

    /// Tells all lanes.
    pub fn tell_all(&self, found: &Arc<Found>) {
        for lane in 0..self.lanes.len() {
            self.tell(lane, found);
        }
    }
}

/// Makes the channels for secrets between these flush threads and the one that fetches; what travels is of types that travel anyway, as each type of channel has its size.
///
/// Its way to the flush threads is theirs from the main thread: they do not see that one go as long as this end is there.
#[must_use]
pub fn keys(flush: &mut [FlushEnd], main: &MainEnd) -> KeepEnd {
    let (asks_in, asks_out) = bounded(ASKS_MAX);
    for end in flush {
        end.asks = Some(asks_in.clone());
    }
    KeepEnd {
        asks: asks_out,
        lanes: main.lanes.iter().map(|lane| lane.orders.clone()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Ordered, Wake, channels};
    use super::*;
    use crate::time::Deadline;

    fn found(number: u64) -> Arc<Found> {
        Arc::new(Found {
            number,
            values: vec![
                ("ssm:/a".to_owned(), Ok("gold".to_owned())),
                ("ssm:/b".to_owned(), Err("denied".to_owned())),
            ],
        })
    }

    #[test]
    fn values_are_not_shown_and_reasons_name_their_reference() {
        let found = found(1);
        let order = Order::Learn(Arc::clone(&found));
        assert_eq!(format!("{order:?}"), "Learn(Found { number: 1, .. })");
        assert_eq!(found.value("ssm:/a"), Ok("gold"));
        assert_eq!(found.value("ssm:/b"), Err("ssm:/b: denied".to_owned()));
        assert!(found.value("ssm:/c").is_err());
    }

    #[test]
    fn lanes_ask_and_each_is_told() {
        let (_receive, mut ends, main) = channels(2);
        let keep = keys(&mut ends, &main);
        for (at, end) in ends.iter().enumerate() {
            end.ask(7);
            assert_eq!(keep.asked(), Some((at, 7)));
        }
        keep.tell_all(&found(1));
        for end in &mut ends {
            let woken = end.wait(None);
            assert!(matches!(woken, Wake::Order(Order::Learn(found)) if found.number == 1));
            assert!(end.found(Duration::ZERO).is_none());
        }
        keep.tell(1, &found(2));
        let last = ends.last_mut().and_then(|end| end.found(Duration::ZERO));
        assert_eq!(last.map(|found| found.number), Some(2));
    }

    #[test]
    fn an_order_that_comes_while_secrets_are_awaited_is_not_lost() {
        let (_receive, mut ends, main) = channels(1);
        let keep = keys(&mut ends, &main);
        let order = || Order::Shutdown {
            deadline: Deadline::after(Duration::ZERO),
            reason: String::new(),
        };
        let told = main.lanes.first().map(|lane| lane.order(order()));
        assert_eq!(told, Some(Ordered::Yes));
        keep.tell(0, &found(1));
        let mut end = ends.remove(0);
        assert!(end.found(Duration::from_secs(60)).is_none());
        assert!(
            end.found(Duration::from_secs(60)).is_none(),
            "it comes first"
        );
        let woken = end.wait(None);
        assert!(matches!(woken, Wake::Order(Order::Shutdown { .. })));
        let woken = end.wait(None);
        assert!(matches!(woken, Wake::Order(Order::Learn(_))));
    }
}
