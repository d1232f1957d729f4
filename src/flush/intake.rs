//! From an event to the lane: joins lines, takes each through process, and adds what nobody logged.
//!
//! It must not decide when anything is sent.

use super::lane::Lane;
use crate::fault;
use crate::parse::Event;
use crate::process::{self, End, Multiline, Offer, Options, Scratch, Signal, Stream};
use crate::stats::Stats;

/// What turns events into records.
pub(super) struct Intake {
    /// What process is told.
    options: Options,
    /// What was seen of the stream; made when the first event is looked into.
    stream: Option<Stream>,
    /// Memory for what must be rewritten.
    scratch: Scratch,
    /// Joins lines.
    multiline: Multiline,
    /// The number of the first line of the record that is held.
    number: u64,
    /// A record that was let go is in hand: a panic loses it.
    in_hand: bool,
    /// When the last event came, in milliseconds since 1970.
    received_ms: u64,
}

impl Intake {
    /// An intake that has seen nothing.
    pub(super) fn new(options: Options) -> Self {
        Self {
            multiline: Multiline::new(options.multiline.clone()),
            number: 0,
            stream: None,
            scratch: Scratch::default(),
            in_hand: false,
            received_ms: 0,
            options,
        }
    }

    /// Exchanges what process is told from now on for what it was told; no record may be held.
    pub(super) fn exchange(&mut self, options: &mut Options) {
        std::mem::swap(&mut self.options, options);
        self.multiline = Multiline::new(self.options.multiline.clone());
    }

    /// Whether nothing was looked into yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.stream.is_none()
    }

    /// Records that are held because they may not be whole.
    pub(super) fn held(&self) -> usize {
        usize::from(self.multiline.holds())
    }

    /// Records that a panic took out of hand, once.
    pub(super) fn lost(&mut self) -> usize {
        usize::from(std::mem::take(&mut self.in_hand))
    }

    /// Takes the event of this number that came then; gives back what it tells of the invocations.
    pub(super) fn take<'body>(
        &mut self,
        event: &mut Event<'body>,
        number: u64,
        received_ms: u64,
        lane: &mut Lane,
        stats: &Stats,
    ) -> Option<Signal<'body>> {
        self.received_ms = received_ms;
        let offer = self.multiline.offer(event);
        match offer {
            Offer::Pass { ends } => {
                if ends {
                    self.release(lane, stats);
                }
                return self.ship(event, number, lane, stats);
            }
            Offer::Hold => {
                self.release(lane, stats);
                self.number = number;
            }
            Offer::Join => stats.joined.add(1),
        }
        self.multiline.take(event);
        None
    }

    /// Lets go of the record that is held.
    pub(super) fn release(&mut self, lane: &mut Lane, stats: &Stats) {
        if let Some(mut held) = self.multiline.release() {
            self.in_hand = true;
            self.ship(&mut held.event(), self.number, lane, stats);
            self.in_hand = false;
        }
    }

    /// Takes an event through process into the lane.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    fn ship<'body>(
        &mut self,
        event: &mut Event<'body>,
        number: u64,
        lane: &mut Lane,
        stats: &Stats,
    ) -> Option<Signal<'body>> {
        let Self {
            options,
            stream,
            scratch,
            received_ms,
            ..
        } = self;
        let stream = stream.get_or_insert_with(|| lane.begin());
        stream.number(number);
        fault::point("process");
        // A record is large, so it stays where it was made.
        let mut processed = process::process(event, options, stream, scratch);
        if let Ok(record) = &mut processed.0 {
            record.received_ms = *received_ms;
            lane.push(record);
        }
        let (is_shipped, signal) = (processed.0.is_ok(), processed.1);
        if !is_shipped {
            stats.filtered.add(1);
        } else if scratch.masks.total() > 0 {
            stats.redacted.add(1);
        }
        self.tell(lane);
        signal
    }

    /// Tells how long the invocation that begins may run, in milliseconds.
    pub(super) fn limit(&mut self, limit_ms: Option<u64>, lane: &mut Lane) {
        let stream = self.stream.get_or_insert_with(|| lane.begin());
        stream.limit(limit_ms);
    }

    /// Tells that the environment ends.
    pub(super) fn end(&mut self, end: End<'_>, lane: &mut Lane) {
        let stream = self.stream.get_or_insert_with(|| lane.begin());
        stream.end(end);
        self.tell(lane);
    }

    /// Ships what nobody logged.
    fn tell(&mut self, lane: &mut Lane) {
        if let Some(stream) = &mut self.stream {
            while let Some(incident) = stream.incident(&self.options) {
                lane.push_own(stream.incident_record(&incident, &self.options));
            }
        }
    }
}
