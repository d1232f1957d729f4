//! Every channel between the threads: what travels on it, how much fits, and who holds which end.
//!
//! | channel | from | to | fits |
//! |---|---|---|---|
//! | bodies | receive threads | flush thread (the main thread counts what is left at the end) | [`BODIES_MAX`] bodies and [`BACKLOG_BYTES_MAX`] bytes |
//! | room | flush thread | receive threads | 1 token: bytes were freed |
//! | spare | flush threads | receive threads | [`SPARE_MAX`] buffers that were dealt with, to be filled again |
//! | turn | receive threads | receive threads | 1 token: the one that has it hands its body to all lanes |
//! | orders | main thread | flush thread | [`ORDERS_MAX`] |
//! | reports | flush threads | main thread | [`REPORTS_MAX`] for each of them |
//! | asks | flush threads | thread of the secrets | [`ASKS_MAX`](found::ASKS_MAX): a destination needs them, or needs them anew; the answer is an order |
//! | parts | threads that fetch secrets of one service each | the one that wants all of them | one of each |
//!
//! Each lane has its own bodies, room, orders and [`Backlog`]; all lanes share spare and reports, and the bytes of each body.
//! A full channel never blocks its sender for ever: receive threads wait a stated time, the main thread sends orders only as fast as invocations come, and reports that nobody waits for are left out.

mod backlog;
mod body;
mod found;
mod threads;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{
    Receiver, RecvTimeoutError, Sender, TrySendError, bounded, never, select_biased,
};

pub use self::backlog::{Answers, BACKLOG_BYTES_MAX, Backlog, Hurry, Owed};
pub use self::body::Body;
pub use self::found::{Found, KeepEnd, Parts, keys};
pub use self::threads::{HURRY_SLICE, spawn, within};
use crate::time::Deadline;

/// Bodies that may wait for the flush thread.
pub const BODIES_MAX: usize = 256;
/// Buffers kept for the next bodies.
pub const SPARE_MAX: usize = 2;
/// Orders that may wait for the flush thread.
pub const ORDERS_MAX: usize = 16;
/// Reports of each lane that may wait for the main thread.
pub const REPORTS_MAX: usize = 64;

/// What the main thread learned from an INVOKE event.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The request's id.
    pub request_id: String,
    /// When its event was seen, in milliseconds since 1970.
    pub began_ms: u64,
    /// The function's ARN as invoked, which may carry a version or alias.
    pub function_arn: String,
    /// How long the invocation may run, in milliseconds, if the platform said when it times out.
    pub limit_ms: Option<u64>,
    /// When the main thread stops waiting at the latest, if it waits for this invocation.
    pub hold: Option<Deadline>,
    /// Whether what waits from before is to be sent beside it.
    pub send_now: bool,
}

/// What the main thread asks of the flush thread.
#[derive(Debug)]
pub enum Order {
    /// An invocation began.
    Invoke(Invocation),
    /// Secrets were fetched; not from the main thread, but as good.
    Learn(Arc<Found>),
    /// The environment ends: take what still comes, send once, and report.
    Shutdown {
        /// When sending must be over.
        deadline: Deadline,
        /// Why it ends, as the platform says.
        reason: String,
    },
}

/// What the flush thread tells the main thread.
#[derive(Debug)]
pub enum Report {
    /// The stream reached the start of this request, so its end will come too.
    Started {
        /// The request's id.
        request_id: String,
    },
    /// The runtime is done with this request.
    RuntimeDone {
        /// The request's id.
        request_id: String,
        /// When it was done, in milliseconds since 1970, as far as it counts for the budget.
        done_ms: u64,
        /// When it was done as the platform says, in milliseconds since 1970, however long the environment was frozen since.
        told_ms: u64,
    },
    /// What belonged to this request was sent, or will not be sent now.
    Flushed {
        /// The request's id.
        request_id: String,
    },
    /// The last flush is over.
    Finished,
    /// A destination needs secrets that are newer than those of this number; not to the main thread, but to the one that fetches them.
    Asks {
        /// The number.
        seen: u64,
    },
    /// Secrets of one service were fetched; not to the main thread, but to the thread that wants all of them.
    Told(Found),
}

/// The receive threads' ends.
#[derive(Debug)]
pub struct ReceiveEnd {
    /// The way to each lane.
    ways: Vec<Way>,
    /// Buffers that were dealt with in.
    spare: Receiver<Vec<u8>>,
    /// Whose turn it is to offer a body to all lanes, so that bodies of several connections reach them in one order, which their records' ids are counted in.
    turn: (Sender<()>, Receiver<()>),
    /// What the platform waits for.
    answers: Answers,
}

/// A turn, which ends whatever happens to the thread that has it.
struct Turn<'a>(&'a Receiver<()>);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.try_recv().unwrap_or(());
    }
}

/// The receive threads' way to a lane.
#[derive(Debug)]
struct Way {
    /// Bodies out.
    bodies: Sender<Body>,
    /// Room tokens in.
    room: Receiver<()>,
    /// What waits.
    backlog: Arc<Backlog>,
    /// Events of the bodies that it had no room for.
    skipped: AtomicU64,
}

impl ReceiveEnd {
    /// Says that a batch is taken, and will be answered when what is returned is dropped.
    #[must_use]
    pub fn owes_answer(&self) -> Owed {
        self.answers.owed()
    }

    /// A buffer to be filled, one that was used before if there is one, with what was in it.
    #[must_use]
    pub fn buffer(&self) -> Vec<u8> {
        self.spare.try_recv().unwrap_or_default()
    }

    /// Says that something of the stream is lost, which may be what the main thread waits for.
    pub fn lost(&self) {
        for way in &self.ways {
            way.backlog.lost();
        }
    }

    /// Hands a body to every lane; tells which ones had no room within `wait`, and is told how many events they miss.
    ///
    /// A lane with room has it at once, whatever the others do, and all that have none share the wait.
    pub fn put(
        &self,
        body: Body,
        wait: Duration,
        mut without_room: impl FnMut(usize, Body) -> usize,
    ) {
        let Some((first, others)) = self.ways.split_first() else {
            return;
        };
        let mut full = Vec::new();
        // To the end, as a body that waits for room has its place too; one lane alone needs none.
        let _turn = if others.is_empty() {
            None
        } else {
            let (take, end) = &self.turn;
            take.send(()).ok().map(|()| Turn(end))
        };
        for (way, at) in others.iter().zip(1..) {
            if let Err(body) = way.offer(body.clone()) {
                full.push((way, at, body));
            }
        }
        // Nobody but the lanes holds it any more, and so the only one need not share it.
        if let Err(body) = first.offer(body) {
            full.push((first, 0, body));
        }
        if full.is_empty() {
            return;
        }
        let deadline = Deadline::after(wait);
        for (way, at, body) in full {
            // One that was waited for in vain must not cost the others the same again with each body.
            let given_up = !others.is_empty() && way.backlog.is_stuck();
            let put = if given_up {
                Err(body)
            } else {
                way.put(body, deadline)
            };
            if let Err(body) = put {
                way.backlog.set_stuck(true);
                way.backlog.lost();
                let events = u64::try_from(without_room(at, body)).unwrap_or(u64::MAX);
                way.skipped.fetch_add(events, Ordering::AcqRel);
            }
        }
    }
}

impl Way {
    /// Hands a body to the lane if there is room now.
    fn offer(&self, mut body: Body) -> Result<(), Body> {
        let room = body.room();
        if self.backlog.is_relaxed() && self.bodies.len() <= BODIES_MAX / 2 {
            self.backlog.set_stuck(false);
        }
        if !self.backlog.reserve(room) {
            return Err(body);
        }
        body.skipped = self.skipped.load(Ordering::Acquire);
        // Before it is there, so that whoever takes it out sets a later time.
        self.backlog.begins_to_wait(body.received_ms);
        self.bodies.try_send(body).map_err(|unsent| {
            self.backlog.release(room);
            unsent.into_inner()
        })
    }

    /// Hands a body to the lane as soon as there is room, if that is before the deadline.
    fn put(&self, mut body: Body, deadline: Deadline) -> Result<(), Body> {
        loop {
            match self.offer(body) {
                Ok(()) => return Ok(()),
                Err(unsent) => body = unsent,
            }
            match self.room.recv_timeout(deadline.left()) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    return Err(body);
                }
            }
        }
    }
}

/// What woke the flush thread.
#[derive(Debug)]
pub enum Wake {
    /// A batch came.
    Body(Body),
    /// The main thread wants something.
    Order(Order),
    /// Neither came in time.
    Time,
    /// The main thread is gone.
    Gone,
}

/// The flush thread's ends.
#[derive(Debug)]
pub struct FlushEnd {
    /// Bodies in.
    bodies: Receiver<Body>,
    /// Bodies whose time is known and that are not looked into, oldest first; a channel, so that the main thread can count them at the end.
    queue: (Sender<Body>, Receiver<Body>),
    /// When they came, in milliseconds since 1970.
    times: VecDeque<u64>,
    /// The body that is being looked into; a channel for the same reason.
    hand: (Sender<Body>, Receiver<Body>),
    /// Room tokens out.
    room: Sender<()>,
    /// Emptied buffers out.
    spare: Sender<Vec<u8>>,
    /// What waits.
    backlog: Arc<Backlog>,
    /// Orders in.
    orders: Receiver<Order>,
    /// Reports out, with the lane they come from.
    reports: (usize, Sender<(usize, Report)>),
    /// Asks for secrets out, if there is a thread that fetches them.
    asks: Option<Sender<(usize, Report)>>,
    /// An order that came while secrets were awaited.
    stashed: Option<Order>,
}

impl FlushEnd {
    /// Waits for whichever comes first, an order before a batch; without `wait` it waits for ever.
    #[must_use]
    pub fn wait(&mut self, wait: Option<Duration>) -> Wake {
        if let Some(order) = self.stashed.take() {
            return Wake::Order(order);
        }
        if !self.times.is_empty() {
            // An order goes first; otherwise there is something to do at once.
            if let Ok(order) = self.orders.try_recv() {
                return Wake::Order(order);
            }
            if let Some(body) = self.next_queued() {
                return Wake::Body(body);
            }
        }
        self.select(&self.bodies, wait)
    }

    /// Waits for whichever comes first; one code for both who wait, as it is 2 kB.
    #[inline(never)]
    fn select(&self, bodies: &Receiver<Body>, wait: Option<Duration>) -> Wake {
        let timeout = wait.map_or_else(never, crossbeam_channel::after);
        select_biased! {
            recv(self.orders) -> order => order.map_or(Wake::Gone, Wake::Order),
            recv(bodies) -> body => body.map_or(Wake::Gone, Wake::Body),
            recv(timeout) -> _ => Wake::Time,
        }
    }

    /// Asks for secrets that are newer than those of this number; where nobody has come to the last asks, one more would change nothing.
    pub fn ask(&self, seen: u64) {
        if let Some(asks) = &self.asks {
            let lane = self.reports.0;
            asks.try_send((lane, Report::Asks { seen })).unwrap_or(());
        }
    }

    /// The secrets that were fetched, if that is done within `wait` and before there is another order, which is kept for later.
    #[must_use]
    pub fn found(&mut self, wait: Duration) -> Option<Arc<Found>> {
        if self.stashed.is_some() {
            return None;
        }
        match self.select(&never(), Some(wait)) {
            Wake::Order(Order::Learn(found)) => return Some(found),
            Wake::Order(order) => self.stashed = Some(order),
            Wake::Body(_) | Wake::Time | Wake::Gone => {}
        }
        None
    }

    /// What breaks off waiting for an answer.
    #[must_use]
    pub fn hurry(&self) -> Hurry {
        self.backlog.hurry().clone()
    }

    /// A batch that has come already, if any.
    #[must_use]
    pub fn next_body(&mut self) -> Option<Body> {
        self.queue_all();
        self.next_queued()
    }

    /// Moves what has come into the queue, as far as there is room.
    fn queue_all(&mut self) {
        while !self.queue.0.is_full() {
            let Ok(body) = self.bodies.try_recv() else {
                return;
            };
            self.times.push_back(body.received_ms.max(1));
            // There is room, and only this thread puts something in.
            self.queue.0.try_send(body).unwrap_or(());
        }
    }

    /// The first body of the queue.
    fn next_queued(&mut self) -> Option<Body> {
        self.times.pop_front();
        self.queue.1.try_recv().ok()
    }

    /// Says that a body is looked into now, and how many events were counted before it: if this thread does not come to the body's end, the main thread counts the rest.
    pub fn begin(&self, body: &Body, before: u64) {
        self.backlog.set_before_hand(before);
        self.hand.0.try_send(body.clone()).unwrap_or(());
    }

    /// Says that a body has been dealt with, and hands its buffer back to be filled again.
    pub fn done(&mut self, body: Body) {
        drop(self.hand.1.try_recv());
        self.backlog.release(body.room());
        self.next_waits();
        self.room.try_send(()).unwrap_or(());
        // The last lane that holds it hands it back; a buffer from an unusually large body is not kept.
        if let Some(bytes) = Arc::into_inner(body.bytes)
            && bytes.capacity() <= SPARE_BYTES_MAX
        {
            self.spare.try_send(bytes).unwrap_or(());
        }
    }

    /// Says that something of the stream is lost, which may be what the main thread waits for.
    pub fn lost(&self) {
        self.backlog.lost();
    }

    /// Says how many events lie aside, which the main thread must count if this one does not come to its end.
    pub fn lies_aside(&self, events: usize) {
        self.backlog.set_aside(events);
    }

    /// Says that a body has been put aside: it still takes room, but nobody needs to wait for it.
    pub fn put_aside(&mut self) {
        self.next_waits();
    }

    /// Sets since when the oldest body waits.
    fn next_waits(&mut self) {
        self.queue_all();
        self.backlog
            .waits_since(self.times.front().copied().unwrap_or(0));
    }

    /// Publishes the lane's state.
    pub fn publish(&self, crowded: bool, paused: bool) {
        self.backlog.publish(crowded, paused);
    }

    /// Reports to the main thread, which may not be listening.
    pub fn report(&self, report: Report) {
        let (lane, reports) = &self.reports;
        reports.try_send((*lane, report)).unwrap_or(());
    }
}

/// The largest buffer that is kept for another body: what a batch of the size we subscribe for takes at most.
const SPARE_BYTES_MAX: usize = 1024 * 1024;

/// The main thread's ends.
#[derive(Debug)]
pub struct MainEnd {
    /// The way to each lane.
    pub lanes: Vec<LaneEnd>,
    /// What the platform waits for.
    pub answers: Answers,
    /// Reports in, with the lane they come from.
    reports: Receiver<(usize, Report)>,
}

/// The main thread's way to a lane.
#[derive(Debug)]
pub struct LaneEnd {
    /// Orders out.
    orders: Sender<Order>,
    /// Bodies, for the account of what nobody will look into any more.
    bodies: [Receiver<Body>; 2],
    /// The one that the flush thread looks into.
    hand: Receiver<Body>,
    /// What waits.
    pub backlog: Arc<Backlog>,
}

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ordered {
    /// The flush thread will take it.
    Yes,
    /// The flush thread has not taken the last [`ORDERS_MAX`] orders.
    Full,
    /// There is no flush thread.
    Gone,
}

impl LaneEnd {
    /// Gives an order.
    #[must_use]
    pub fn order(&self, order: Order) -> Ordered {
        match self.orders.try_send(order) {
            Ok(()) => Ordered::Yes,
            Err(TrySendError::Full(_)) => Ordered::Full,
            Err(TrySendError::Disconnected(_)) => Ordered::Gone,
        }
    }

    /// Whether the flush thread has taken every order.
    #[must_use]
    pub fn orders_are_taken(&self) -> bool {
        self.orders.is_empty()
    }

    /// The batch that the flush thread looks into, if any, and how many events it had counted before that.
    #[must_use]
    pub fn body_in_hand(&self) -> Option<(Body, u64)> {
        let body = self.hand.try_recv().ok()?;
        Some((body, self.backlog.before_hand()))
    }

    /// A batch that nobody has looked into, if any.
    #[must_use]
    pub fn left_body(&self) -> Option<Body> {
        self.bodies.iter().find_map(|bodies| bodies.try_recv().ok())
    }
}

impl MainEnd {
    /// The next report, if one comes within `wait`, and the lane it comes from.
    #[must_use]
    pub fn report(&self, wait: Duration) -> Option<(usize, Report)> {
        self.reports.recv_timeout(wait).ok()
    }

    /// The reports that have come already, which are on invocations that are over.
    pub fn past_reports(&self) -> impl Iterator<Item = Report> {
        self.reports.try_iter().map(|(_, report)| report)
    }

    /// Forgets the reports on invocations that are over.
    pub fn forget_reports(&self) {
        self.reports.try_iter().for_each(drop);
    }
}

/// Makes every channel, for so many lanes.
#[must_use]
pub fn channels(lanes: usize) -> (ReceiveEnd, Vec<FlushEnd>, MainEnd) {
    let (spare_in, spare_out) = bounded(SPARE_MAX);
    let (reports_in, reports_out) = bounded(REPORTS_MAX * lanes.max(1));
    let mut receive_end = ReceiveEnd {
        ways: Vec::new(),
        spare: spare_out,
        turn: bounded(1),
        answers: Answers::default(),
    };
    let mut main_end = MainEnd {
        lanes: Vec::new(),
        answers: receive_end.answers.clone(),
        reports: reports_out,
    };
    let flush_ends = (0..lanes).map(|lane| {
        let (bodies_in, bodies_out) = bounded(BODIES_MAX);
        let (room_in, room_out) = bounded(1);
        let (orders_in, orders_out) = bounded(ORDERS_MAX);
        let queue = bounded(BODIES_MAX);
        let hand = bounded(1);
        let backlog = Arc::new(Backlog::default());
        receive_end.ways.push(Way {
            bodies: bodies_in,
            room: room_out,
            backlog: Arc::clone(&backlog),
            skipped: AtomicU64::new(0),
        });
        main_end.lanes.push(LaneEnd {
            orders: orders_in,
            bodies: [queue.1.clone(), bodies_out.clone()],
            hand: hand.1.clone(),
            backlog: Arc::clone(&backlog),
        });
        FlushEnd {
            bodies: bodies_out,
            queue,
            times: VecDeque::new(),
            hand,
            room: room_in,
            spare: spare_in.clone(),
            backlog,
            orders: orders_out,
            reports: (lane, reports_in.clone()),
            asks: None,
            stashed: None,
        }
    });
    let flush_ends = flush_ends.collect();
    (receive_end, flush_ends, main_end)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::indexing_slicing,
        reason = "a test fails where it indexes in vain"
    )]

    use super::*;

    fn body(bytes: usize) -> Body {
        Body {
            bytes: Arc::new(vec![b' '; bytes]),
            received_ms: 7,
            skipped: 0,
        }
    }

    /// The ends of one lane.
    fn one_lane() -> (ReceiveEnd, FlushEnd, MainEnd) {
        let (receive, mut flush, main) = channels(1);
        (receive, flush.remove(0), main)
    }

    /// The lanes that had no room for a body of so many bytes.
    fn put(receive: &ReceiveEnd, bytes: usize, wait: Duration) -> Vec<usize> {
        let mut without_room = Vec::new();
        receive.put(body(bytes), wait, |lane, _| {
            without_room.push(lane);
            3
        });
        without_room
    }

    #[test]
    fn the_backlog_is_bounded_in_bytes_and_room_comes_back() {
        let (receive, mut flush, main) = one_lane();
        assert_eq!(main.lanes[0].backlog.waiting_since_ms(), None);
        assert!(
            put(&receive, BACKLOG_BYTES_MAX + 1, Duration::ZERO).is_empty(),
            "a large body fits when nothing waits"
        );
        assert_eq!(main.lanes[0].backlog.waiting_since_ms(), Some(7));
        assert!(!put(&receive, 1, Duration::ZERO).is_empty());
        let first = flush.next_body().expect("the first body waits");
        flush.done(first);
        assert_eq!(main.lanes[0].backlog.waiting_since_ms(), None);
        for _ in 0..2 {
            assert!(put(&receive, BACKLOG_BYTES_MAX / 2, Duration::ZERO).is_empty());
        }
        assert!(!put(&receive, 1, Duration::ZERO).is_empty());
    }

    #[test]
    fn bodies_of_several_connections_reach_all_lanes_in_one_order() {
        for _ in 0..200 {
            let (receive, mut flush, _main) = channels(3);
            std::thread::scope(|scope| {
                for sender in 1..=3 {
                    let receive = &receive;
                    scope.spawn(move || {
                        for number in 0..20 {
                            put(receive, sender * 100 + number, Duration::ZERO);
                        }
                    });
                }
            });
            let orders: Vec<Vec<usize>> = flush
                .iter_mut()
                .map(|lane| {
                    std::iter::from_fn(|| lane.next_body().map(|one| one.bytes.len())).collect()
                })
                .collect();
            assert_eq!(orders[0].len(), 60);
            assert!(
                orders[0] == orders[1] && orders[0] == orders[2],
                "{orders:?}"
            );
        }
    }

    #[test]
    fn bodies_that_are_put_aside_are_bounded_in_number_too() {
        let (receive, mut flush, _main) = one_lane();
        let mut aside = Vec::new();
        while put(&receive, 2, Duration::ZERO).is_empty() {
            aside.push(flush.next_body().expect("it waits"));
            flush.put_aside();
        }
        assert_eq!(aside.len(), BACKLOG_BYTES_MAX / body::ROOM_MIN);
        for body in aside {
            flush.done(body);
        }
        assert!(put(&receive, BACKLOG_BYTES_MAX, Duration::ZERO).is_empty());
    }

    #[test]
    fn an_answer_is_owed_until_it_is_given_or_its_thread_panics() {
        let (receive, _flush, main) = one_lane();
        let owed = receive.owes_answer();
        let other = receive.owes_answer();
        drop(owed);
        assert!(!main.answers.are_given());
        std::thread::spawn(move || {
            let _owed = other;
            panic!("on purpose");
        })
        .join()
        .expect_err("it panics");
        assert!(main.answers.are_given());
    }

    #[test]
    fn a_sender_that_waits_is_woken_by_freed_room() {
        let (receive, mut flush, _main) = one_lane();
        assert!(put(&receive, BACKLOG_BYTES_MAX, Duration::ZERO).is_empty());
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| put(&receive, 1, Duration::from_secs(60)).is_empty());
            let first = flush.next_body().expect("the first body waits");
            flush.done(first);
            assert!(waiter.join().expect("no panic"));
        });
    }

    #[test]
    fn buffers_come_back_to_be_filled_again() {
        let (receive, mut flush, _main) = one_lane();
        let mut bytes = receive.buffer();
        bytes.extend_from_slice(b"[]");
        bytes.reserve(1000);
        let room = bytes.capacity();
        let sent = Body {
            bytes: Arc::new(bytes),
            received_ms: 1,
            skipped: 0,
        };
        receive.put(sent, Duration::ZERO, |lane, _| {
            panic!("no room in lane {lane}")
        });
        let waiting = flush.next_body().expect("it waits");
        flush.done(waiting);
        let again = receive.buffer();
        assert_eq!(again, b"[]", "nobody takes the time to clear it");
        assert_eq!(again.capacity(), room);
        assert_eq!(receive.buffer().capacity(), 0);
    }

    #[test]
    fn lanes_share_the_bytes_and_the_last_one_hands_them_back() {
        let (receive, mut flush, _main) = channels(2);
        assert!(put(&receive, 10, Duration::ZERO).is_empty());
        let bodies: Vec<Body> = flush
            .iter_mut()
            .map(|lane| lane.next_body().expect("each lane has it"))
            .collect();
        assert!(Arc::ptr_eq(&bodies[0].bytes, &bodies[1].bytes));
        for (lane, body) in flush.iter_mut().zip(bodies) {
            assert_eq!(receive.buffer().capacity(), 0);
            lane.done(body);
        }
        assert_eq!(receive.buffer().capacity(), 10);
    }

    #[test]
    fn a_full_lane_is_waited_for_once_and_the_others_never() {
        let (receive, mut flush, main) = channels(2);
        let half = BACKLOG_BYTES_MAX / 2;
        for _ in 0..2 {
            assert!(put(&receive, half, Duration::ZERO).is_empty());
        }
        let take = |lane: &mut FlushEnd| {
            let body = lane.next_body().expect("a body waits");
            lane.done(body);
        };
        take(&mut flush[1]);
        take(&mut flush[1]);
        // The first lane does not move.
        assert_eq!(put(&receive, half, Duration::from_millis(1)), [0]);
        assert!(main.lanes[0].backlog.lost_ms() > 0);
        assert_eq!(main.lanes[1].backlog.lost_ms(), 0);
        // If it were waited for, this would never end.
        assert_eq!(put(&receive, half, Duration::from_secs(3600)), [0]);
        take(&mut flush[1]);
        take(&mut flush[1]);
        assert!(flush[1].next_body().is_none());
        // It moves on, and is worth the wait again when half of it is free.
        take(&mut flush[0]);
        assert!(put(&receive, 1, Duration::ZERO).is_empty());
        assert!(!main.lanes[0].backlog.is_stuck());
        take(&mut flush[0]);
        for (lane, skipped) in flush.iter_mut().zip([6, 0]) {
            let body = lane.next_body().expect("the last body waits");
            assert_eq!(body.skipped, skipped, "of two bodies, three events each");
        }
    }

    #[test]
    fn reports_tell_their_lane_and_orders_whether_it_is_gone() {
        let (_receive, mut flush, main) = channels(2);
        flush[1].report(Report::Finished);
        let report = main.report(Duration::ZERO);
        assert!(matches!(report, Some((1, Report::Finished))));
        let order = || Order::Shutdown {
            deadline: Deadline::after(Duration::ZERO),
            reason: String::new(),
        };
        drop(flush.remove(0));
        assert_eq!(main.lanes[0].order(order()), Ordered::Gone);
        for _ in 0..ORDERS_MAX {
            assert_eq!(main.lanes[1].order(order()), Ordered::Yes);
        }
        assert_eq!(main.lanes[1].order(order()), Ordered::Full);
    }

    #[test]
    fn orders_come_before_bodies() {
        let (receive, mut flush, main) = one_lane();
        assert!(put(&receive, 2, Duration::ZERO).is_empty());
        let order = Order::Shutdown {
            deadline: Deadline::after(Duration::ZERO),
            reason: String::new(),
        };
        assert_eq!(main.lanes[0].order(order), Ordered::Yes);
        assert!(matches!(flush.wait(None), Wake::Order(_)));
        assert!(matches!(flush.wait(None), Wake::Body(_)));
        assert!(matches!(flush.wait(Some(Duration::ZERO)), Wake::Time));
        drop(main);
        assert!(matches!(flush.wait(None), Wake::Gone));
    }
}
