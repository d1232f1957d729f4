//! Every channel between the threads: what travels on it, how much fits, and who holds which end.
//!
//! | channel | from | to | fits |
//! |---|---|---|---|
//! | bodies | receive threads | flush thread (the main thread counts what is left at the end) | [`BODIES_MAX`] bodies and [`BACKLOG_BYTES_MAX`] bytes |
//! | room | flush thread | receive threads | 1 token: bytes were freed |
//! | spare | flush thread | receive threads | [`SPARE_MAX`] emptied buffers, to be filled again |
//! | orders | main thread | flush thread | [`ORDERS_MAX`] |
//! | reports | flush thread | main thread | [`REPORTS_MAX`] |
//!
//! A full channel never blocks its sender for ever: receive threads wait a stated time, the main thread sends orders only as fast as invocations come, and reports that nobody waits for are left out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, never, select_biased};

use crate::time::{self, Deadline};

/// Bodies that may wait for the flush thread.
pub const BODIES_MAX: usize = 256;
/// Bytes of bodies that may wait for the flush thread; one body larger than this is taken when nothing else waits.
pub const BACKLOG_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Emptied buffers kept for the next bodies.
pub const SPARE_MAX: usize = 2;
/// Orders that may wait for the flush thread.
pub const ORDERS_MAX: usize = 16;
/// Reports that may wait for the main thread.
pub const REPORTS_MAX: usize = 64;

/// One telemetry batch as it came.
#[derive(Debug)]
pub struct Body {
    /// The request's body.
    pub bytes: Vec<u8>,
    /// When it had come whole, in milliseconds since 1970.
    pub received_ms: u64,
}

/// What the main thread learned from an INVOKE event.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The request's id.
    pub request_id: String,
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
        /// When it was done, in milliseconds since 1970.
        done_ms: u64,
    },
    /// What belonged to this request was sent, or will not be sent now.
    Flushed {
        /// The request's id.
        request_id: String,
    },
    /// The last flush is over.
    Finished,
}

/// What is on its way: how many bytes wait between the receive threads and the flush thread, since when, and how the lane is.
#[derive(Debug, Default)]
pub struct Backlog {
    /// Bytes of the bodies that were put in and not yet taken out.
    bytes: AtomicUsize,
    /// When the oldest body that waits was put in, in milliseconds since 1970; 0 if none waits.
    since_ms: AtomicU64,
    /// The destination's buffer is more than half full.
    crowded: AtomicBool,
    /// The destination is left alone after failures.
    paused: AtomicBool,
    /// Records that wait in the destination's buffer.
    waiting: Gauge,
    /// Events of the body in the flush thread's hand that are still to be taken, while it does something else.
    in_hand: AtomicUsize,
    /// When something of the stream was lost last, in milliseconds since 1970.
    lost_ms: AtomicU64,
    /// The environment ends: whoever waits for an answer should not.
    hurry: Hurry,
}

/// A number that one thread sets and others read.
#[derive(Debug, Clone, Default)]
pub struct Gauge(Arc<AtomicUsize>);

impl Gauge {
    /// Sets it.
    pub fn set(&self, number: usize) {
        self.0.store(number, Ordering::Release);
    }
}

/// Breaks off waiting for a destination's answer.
#[derive(Debug, Clone, Default)]
pub struct Hurry(Arc<AtomicBool>);

impl Hurry {
    /// Whether to break off.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Asks to break off, or no longer to.
    pub fn set(&self, on: bool) {
        self.0.store(on, Ordering::Release);
    }
}

impl Backlog {
    /// Takes room for a body, if there is any.
    fn reserve(&self, bytes: usize) -> bool {
        self.bytes
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |held| {
                let sum = held.saturating_add(bytes);
                (held == 0 || sum <= BACKLOG_BYTES_MAX).then_some(sum)
            })
            .is_ok()
    }

    /// Gives room back.
    fn release(&self, bytes: usize) {
        // Never below zero: whatever is released was reserved.
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
    }

    /// Whether the destination's buffer is more than half full.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        self.crowded.load(Ordering::Acquire)
    }

    /// Whether the destination is left alone after failures.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Acquire)
    }

    /// Events of the body in the flush thread's hand that are still to be taken.
    #[must_use]
    pub fn events_in_hand(&self) -> usize {
        self.in_hand.load(Ordering::Acquire)
    }

    /// When something of the stream was lost last, in milliseconds since 1970; 0 if nothing was.
    #[must_use]
    pub fn lost_ms(&self) -> u64 {
        self.lost_ms.load(Ordering::Acquire)
    }

    /// What breaks off waiting for an answer.
    #[must_use]
    pub fn hurry(&self) -> &Hurry {
        &self.hurry
    }

    /// Records that wait in the destination's buffer, as of the last payload or turn.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.0.load(Ordering::Acquire)
    }

    /// Since when a body waits for the flush thread, in milliseconds since 1970.
    #[must_use]
    pub fn waiting_since_ms(&self) -> Option<u64> {
        match self.since_ms.load(Ordering::Acquire) {
            0 => None,
            since => Some(since),
        }
    }
}

/// The receive threads' ends.
#[derive(Debug, Clone)]
pub struct ReceiveEnd {
    /// Bodies out.
    bodies: Sender<Body>,
    /// Room tokens in.
    room: Receiver<()>,
    /// Emptied buffers in.
    spare: Receiver<Vec<u8>>,
    /// What waits.
    backlog: Arc<Backlog>,
}

impl ReceiveEnd {
    /// An empty buffer, one that was used before if there is one.
    #[must_use]
    pub fn buffer(&self) -> Vec<u8> {
        self.spare.try_recv().unwrap_or_default()
    }

    /// Says that something of the stream is lost, which may be what the main thread waits for.
    pub fn lost(&self) {
        self.backlog
            .lost_ms
            .store(time::epoch_ms(), Ordering::Release);
    }

    /// Hands a body to the flush thread; gives it back if there was no room within `wait`.
    ///
    /// # Errors
    /// The body, when it could not be handed over.
    pub fn put(&self, body: Body, wait: Duration) -> Result<(), Body> {
        let deadline = Deadline::after(wait);
        while !self.backlog.reserve(body.bytes.len()) {
            match self.room.recv_timeout(deadline.left()) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    return Err(body);
                }
            }
        }
        let bytes = body.bytes.len();
        // Only the first one that waits sets the time.
        self.backlog
            .since_ms
            .compare_exchange(
                0,
                body.received_ms.max(1),
                Ordering::AcqRel,
                Ordering::Acquire,
            )
            .unwrap_or_default();
        match self.bodies.send_timeout(body, deadline.left()) {
            Ok(()) => Ok(()),
            Err(unsent) => {
                self.backlog.release(bytes);
                Err(unsent.into_inner())
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
    /// Room tokens out.
    room: Sender<()>,
    /// Emptied buffers out.
    spare: Sender<Vec<u8>>,
    /// What waits.
    backlog: Arc<Backlog>,
    /// Orders in.
    orders: Receiver<Order>,
    /// Reports out.
    reports: Sender<Report>,
}

impl FlushEnd {
    /// Waits for whichever comes first, an order before a batch; without `wait` it waits for ever.
    #[must_use]
    pub fn wait(&mut self, wait: Option<Duration>) -> Wake {
        if !self.times.is_empty() {
            // An order goes first; otherwise there is something to do at once.
            if let Ok(order) = self.orders.try_recv() {
                return Wake::Order(order);
            }
            if let Some(body) = self.next_queued() {
                return Wake::Body(body);
            }
        }
        let timeout = wait.map_or_else(never, crossbeam_channel::after);
        select_biased! {
            recv(self.orders) -> order => order.map_or(Wake::Gone, Wake::Order),
            recv(self.bodies) -> body => body.map_or(Wake::Gone, Wake::Body),
            recv(timeout) -> _ => Wake::Time,
        }
    }

    /// What breaks off waiting for an answer.
    #[must_use]
    pub fn hurry(&self) -> Hurry {
        self.backlog.hurry.clone()
    }

    /// Where the lane says how many records wait.
    #[must_use]
    pub fn waiting(&self) -> Gauge {
        self.backlog.waiting.clone()
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

    /// Says how many events of the body in hand are still to be taken.
    pub fn in_hand(&self, events: usize) {
        self.backlog.in_hand.store(events, Ordering::Release);
    }

    /// Says that a body has been dealt with, and hands its buffer back to be filled again.
    pub fn done(&mut self, body: Body) {
        let mut bytes = body.bytes;
        self.backlog.release(bytes.len());
        self.next_waits();
        self.room.try_send(()).unwrap_or(());
        bytes.clear();
        // A buffer from an unusually large body is not kept.
        if bytes.capacity() <= SPARE_BYTES_MAX {
            self.spare.try_send(bytes).unwrap_or(());
        }
    }

    /// Says that something of the stream is lost, which may be what the main thread waits for.
    pub fn lost(&self) {
        self.backlog
            .lost_ms
            .store(time::epoch_ms(), Ordering::Release);
    }

    /// Says that a body has been put aside: it still takes room, but nobody needs to wait for it.
    pub fn put_aside(&mut self) {
        self.next_waits();
    }

    /// Sets since when the oldest body waits.
    fn next_waits(&mut self) {
        self.queue_all();
        let since = self.times.front().copied().unwrap_or(0);
        self.backlog.since_ms.store(since, Ordering::Release);
    }

    /// Publishes the lane's state.
    pub fn publish(&self, crowded: bool, paused: bool) {
        self.backlog.crowded.store(crowded, Ordering::Release);
        self.backlog.paused.store(paused, Ordering::Release);
    }

    /// Reports to the main thread, which may not be listening.
    pub fn report(&self, report: Report) {
        self.reports.try_send(report).unwrap_or(());
    }
}

/// The largest buffer that is kept for another body: what a batch of the size we subscribe for takes at most.
const SPARE_BYTES_MAX: usize = 1024 * 1024;

/// The main thread's ends.
#[derive(Debug)]
pub struct MainEnd {
    /// Orders out.
    orders: Sender<Order>,
    /// Reports in.
    reports: Receiver<Report>,
    /// Bodies, for the account of what nobody will look into any more.
    bodies: [Receiver<Body>; 2],
    /// What waits.
    pub backlog: Arc<Backlog>,
}

impl MainEnd {
    /// Gives an order; `false` if the flush thread has not taken the last [`ORDERS_MAX`] orders.
    #[must_use]
    pub fn order(&self, order: Order) -> bool {
        self.orders.try_send(order).is_ok()
    }

    /// Gives an order, and waits until there is room for it; `false` if there was none before the deadline.
    #[must_use]
    pub fn order_within(&self, order: Order, deadline: Deadline) -> bool {
        self.orders.send_timeout(order, deadline.left()).is_ok()
    }

    /// Whether the flush thread has taken every order.
    #[must_use]
    pub fn orders_are_taken(&self) -> bool {
        self.orders.is_empty()
    }

    /// The next report, if one comes within `wait`.
    #[must_use]
    pub fn report(&self, wait: Duration) -> Option<Report> {
        self.reports.recv_timeout(wait).ok()
    }

    /// A batch that nobody has looked into, if any.
    #[must_use]
    pub fn left_body(&self) -> Option<Body> {
        self.bodies.iter().find_map(|bodies| bodies.try_recv().ok())
    }

    /// Forgets the reports on invocations that are over; whether there was none.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.reports.try_iter().count() == 0
    }

    /// Forgets the reports on invocations that are over.
    pub fn forget_reports(&self) {
        self.reports.try_iter().for_each(drop);
    }
}

/// Makes every channel.
#[must_use]
pub fn channels() -> (ReceiveEnd, FlushEnd, MainEnd) {
    let (bodies_in, bodies_out) = bounded(BODIES_MAX);
    let (room_in, room_out) = bounded(1);
    let (spare_in, spare_out) = bounded(SPARE_MAX);
    let (orders_in, orders_out) = bounded(ORDERS_MAX);
    let (reports_in, reports_out) = bounded(REPORTS_MAX);
    let queue = bounded(BODIES_MAX);
    let backlog = Arc::new(Backlog::default());
    let main_end = MainEnd {
        orders: orders_in,
        reports: reports_out,
        bodies: [queue.1.clone(), bodies_out.clone()],
        backlog: Arc::clone(&backlog),
    };
    (
        ReceiveEnd {
            bodies: bodies_in,
            room: room_out,
            spare: spare_out,
            backlog: Arc::clone(&backlog),
        },
        FlushEnd {
            bodies: bodies_out,
            queue,
            times: VecDeque::new(),
            room: room_in,
            spare: spare_in,
            backlog,
            orders: orders_out,
            reports: reports_in,
        },
        main_end,
    )
}

/// Does something that knows no timeout in a thread of its own, and waits for it at most so long.
///
/// The thread is left behind when it is late, or when `hurry` is on; whatever it then finds is dropped.
#[must_use]
pub fn within<T: Send + 'static>(
    thread: &str,
    wait: Duration,
    hurry: &Hurry,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (found_in, found_out) = bounded(1);
    std::thread::Builder::new()
        .name(thread.to_owned())
        .stack_size(256 * 1024)
        .spawn(move || found_in.send(work()).unwrap_or(()))
        .ok()?;
    let deadline = Deadline::after(wait);
    loop {
        match found_out.recv_timeout(deadline.left().min(HURRY_SLICE)) {
            Ok(found) => return Some(found),
            Err(RecvTimeoutError::Timeout) if !deadline.has_passed() && !hurry.is_on() => {}
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
        }
    }
}

/// How soon it is seen that nobody waits any more.
pub const HURRY_SLICE: Duration = Duration::from_millis(25);

#[cfg(test)]
mod tests {
    use super::*;

    fn body(bytes: usize) -> Body {
        Body {
            bytes: vec![b' '; bytes],
            received_ms: 7,
        }
    }

    #[test]
    fn the_backlog_is_bounded_in_bytes_and_room_comes_back() {
        let (receive, mut flush, main) = channels();
        assert_eq!(main.backlog.waiting_since_ms(), None);
        assert!(
            receive
                .put(body(BACKLOG_BYTES_MAX + 1), Duration::ZERO)
                .is_ok(),
            "a large body fits when nothing waits"
        );
        assert_eq!(main.backlog.waiting_since_ms(), Some(7));
        assert!(receive.put(body(1), Duration::ZERO).is_err());
        let first = flush.next_body().expect("the first body waits");
        flush.done(first);
        assert_eq!(main.backlog.waiting_since_ms(), None);
        for _ in 0..2 {
            assert!(
                receive
                    .put(body(BACKLOG_BYTES_MAX / 2), Duration::ZERO)
                    .is_ok()
            );
        }
        assert!(receive.put(body(1), Duration::ZERO).is_err());
    }

    #[test]
    fn a_sender_that_waits_is_woken_by_freed_room() {
        let (receive, mut flush, _main) = channels();
        assert!(receive.put(body(BACKLOG_BYTES_MAX), Duration::ZERO).is_ok());
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| receive.put(body(1), Duration::from_secs(60)).is_ok());
            let first = flush.next_body().expect("the first body waits");
            flush.done(first);
            assert!(waiter.join().expect("no panic"));
        });
    }

    #[test]
    fn buffers_come_back_to_be_filled_again() {
        let (receive, mut flush, _main) = channels();
        let mut bytes = receive.buffer();
        bytes.extend_from_slice(b"[]");
        bytes.reserve(1000);
        let room = bytes.capacity();
        let sent = Body {
            bytes,
            received_ms: 1,
        };
        assert!(receive.put(sent, Duration::ZERO).is_ok());
        let waiting = flush.next_body().expect("it waits");
        flush.done(waiting);
        let again = receive.buffer();
        assert!(again.is_empty());
        assert_eq!(again.capacity(), room);
        assert_eq!(receive.buffer().capacity(), 0);
    }

    #[test]
    fn late_work_is_left_behind() {
        assert_eq!(
            within("quick", Duration::from_secs(60), &Hurry::default(), || 7),
            Some(7)
        );
        let (release, blocked) = bounded::<()>(0);
        let late = within(
            "late",
            Duration::from_millis(1),
            &Hurry::default(),
            move || {
                blocked.recv().unwrap_or(());
            },
        );
        assert_eq!(late, None);
        drop(release);
    }

    #[test]
    fn orders_come_before_bodies() {
        let (receive, mut flush, main) = channels();
        assert!(receive.put(body(2), Duration::ZERO).is_ok());
        assert!(main.order(Order::Shutdown {
            deadline: Deadline::after(Duration::ZERO),
            reason: String::new(),
        }));
        assert!(matches!(flush.wait(None), Wake::Order(_)));
        assert!(matches!(flush.wait(None), Wake::Body(_)));
        assert!(matches!(flush.wait(Some(Duration::ZERO)), Wake::Time));
        drop(main);
        assert!(matches!(flush.wait(None), Wake::Gone));
    }
}
