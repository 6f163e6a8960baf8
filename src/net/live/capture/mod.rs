//! Captures of this machine: one thread, one ring per interface in use, one program in the kernel for all that is wanted.
//!
//! An interface gets its ring when the first capture needs it and keeps it. Opening another capture there takes at most a new
//! program, which the kernel puts in place of the old one between two packets; the subscription is handed out afterwards. What
//! is wanted before and after passes both programs, so no swap loses a packet.

mod block;
mod exchange;
mod ring;
#[cfg(test)]
mod tests;
mod thread;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Poll, Waker};

use async_executor::Task;
use futures_lite::future::yield_now;
use socket2::{SockFilter, SockRef};

use self::exchange::{Batch, Exchange, Listen, News, Order};
pub use self::ring::RingSize;
use crate::capture::{Coverage, Dispatcher, Frame, Interest, Observer, Source, Subscription, Wanted};
use crate::model::{Interface, LinkKind, LinkType, NetError, NetErrorKind, PacketTotals};
use crate::runtime::{Clock, Spawner, WallStamps};

/// The usual ring: 16 MB of kernel memory, a tenth of a second at a million small packets a second.
pub const RING: RingSize = RingSize { block: 128 << 10, blocks: 128, retire: 1 };

/// Bytes a program tells the kernel to keep of a packet: all of them.
const KEEP: u32 = 1 << 18;

/// Opens packet sockets: takes the privilege, and knows how to get it.
pub type Opener = Box<dyn Fn(&dyn Fn() -> io::Result<OwnedFd>) -> Result<OwnedFd, NetError>>;

/// All captures of a run.
pub struct LiveCapture {
    state: Rc<State>,
    clock: Clock,
    spawner: Spawner,
    /// Hands packets from the thread to the dispatcher; started with the first capture.
    task: OnceCell<Task<()>>,
}

struct State {
    dispatcher: Dispatcher,
    opener: Opener,
    size: RingSize,
    taps: RefCell<HashMap<u32, Tap>>,
    exchange: OnceCell<Arc<Exchange>>,
    ended: Cell<bool>,
}

/// The capture on one interface.
struct Tap {
    interface: Rc<Interface>,
    socket: Arc<OwnedFd>,
    phase: Phase,
    attached: Attached,
}

enum Phase {
    /// The thread makes its ring; these wait for it.
    Opening(Vec<Waker>),
    Open,
    Failed(NetError),
}

/// What the kernel was last told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Attached {
    version: u64,
    outgoing: bool,
    promiscuous: bool,
}

impl LiveCapture {
    /// No capture yet, and no thread.
    pub fn new(clock: Clock, spawner: Spawner, opener: Opener, size: RingSize) -> LiveCapture {
        let dispatcher = Dispatcher::new();
        let state = Rc::new(State {
            dispatcher: dispatcher.clone(),
            opener,
            size,
            taps: RefCell::default(),
            exchange: OnceCell::new(),
            ended: Cell::new(false),
        });
        dispatcher.set_source(Rc::new(Told(Rc::downgrade(&state))));
        LiveCapture { state, clock, spawner, task: OnceCell::new() }
    }

    /// Subscribes to what `interest` describes, on that of `interfaces` it names, or on all that are up now. What goes by once this returns is seen.
    /// Errors: a filter that makes no sense there, no privilege, an interface that is not there.
    pub async fn subscribe(&self, interest: Interest, interfaces: &[Rc<Interface>]) -> Result<Subscription, NetError> {
        let covered = |one: &&Rc<Interface>| interest.interface.map_or(one.up, |only| only == one.index);
        let interfaces: Vec<&Rc<Interface>> = interfaces.iter().filter(covered).collect();
        if interfaces.is_empty() {
            let which = interest.interface.map_or_else(|| "any".to_owned(), |index| format!("interface {index}"));
            return Err(NetError::new(NetErrorKind::Local, "capture", which).because("there is no such interface"));
        }
        self.start()?;
        for interface in &interfaces {
            if let Some(filter) = &interest.filter {
                let compiled = filter.compile(interface.link);
                compiled
                    .map_err(|error| failure(interface).because(format_args!("{}: {}", error.text, error.message)))?;
            }
            self.state.open(interface).await?;
        }
        self.state.count_losses(); // those before it are none of its own
        let subscription = self.state.dispatcher.subscribe(interest);
        for interface in &interfaces {
            self.state.refresh(interface.index)?;
        }
        Ok(subscription)
    }

    /// Shows `observer` every packet that somebody wants.
    pub fn observe(&self, observer: Observer) {
        self.state.dispatcher.observe(observer);
    }

    /// What became of all packets.
    pub fn totals(&self) -> PacketTotals {
        self.state.dispatcher.totals()
    }

    /// Starts the thread and the task behind it, once.
    fn start(&self) -> Result<(), NetError> {
        if self.task.get().is_some() {
            return Ok(());
        }
        let exchange = Exchange::new().map(Arc::new).and_then(|exchange| {
            thread::start(Arc::clone(&exchange))?;
            Ok(exchange)
        });
        let exchange = exchange.map_err(|error| NetError::from_io(&error, "capture", "this machine"))?;
        let stamps = WallStamps::new(self.clock.clone());
        let task = self.spawner.spawn(distribute(Rc::downgrade(&self.state), Arc::clone(&exchange), stamps));
        self.state.exchange.get_or_init(|| exchange);
        self.task.get_or_init(|| task);
        Ok(())
    }
}

impl Drop for LiveCapture {
    fn drop(&mut self) {
        // The thread holds the last reference to each socket then: closing one sleeps in the kernel.
        self.state.taps.borrow_mut().clear();
        if let Some(exchange) = self.state.exchange.get() {
            exchange.order(Order::Stop);
        }
    }
}

/// What the dispatcher tells the capture.
struct Told(Weak<State>);

impl Source for Told {
    fn wants_less(&self, interface: u32) {
        if let Some(state) = self.0.upgrade() {
            // A program that is too wide costs time and loses nothing.
            let _ = state.refresh(interface);
        }
    }

    fn count_losses(&self) {
        if let Some(state) = self.0.upgrade() {
            state.count_losses();
        }
    }
}

/// Takes what the thread has to say until it ends. After each batch others get a turn.
async fn distribute(state: Weak<State>, exchange: Arc<Exchange>, mut stamps: WallStamps) {
    loop {
        let news = exchange.next().await;
        let Some(state) = state.upgrade() else { return };
        match news {
            News::Packets(batch) => {
                stamps.compare();
                state.dispatch(&batch, &stamps);
                exchange.reuse(batch);
            }
            News::Listening(interface, result) => state.opened(interface, result),
            News::Gone(interface) => state.gone(interface),
            News::Ended => return state.thread_ended(),
        }
        drop(state);
        yield_now().await;
    }
}

fn failure(interface: &Interface) -> NetError {
    NetError::new(NetErrorKind::Local, "capture", &*interface.name)
}

impl State {
    /// Makes sure there is a ring for `interface`.
    async fn open(&self, interface: &Rc<Interface>) -> Result<(), NetError> {
        let index = interface.index;
        if self.ended.get() {
            return Err(thread_ended());
        }
        // What failed before may be tried again.
        let known = self.taps.borrow().get(&index).is_some_and(|tap| !matches!(tap.phase, Phase::Failed(_)));
        if !known {
            self.begin(interface)?;
        }
        poll_fn(|cx| match self.taps.borrow_mut().get_mut(&index).map(|tap| &mut tap.phase) {
            Some(Phase::Open) => Poll::Ready(Ok(())),
            Some(Phase::Failed(error)) => Poll::Ready(Err(error.clone())),
            Some(Phase::Opening(waiters)) => {
                waiters.push(cx.waker().clone());
                Poll::Pending
            }
            None => Poll::Ready(Err(failure(interface).because("the interface is gone"))),
        })
        .await
    }

    /// Opens the socket and has the thread give it a ring. The program comes first: a socket that hears before it has one
    /// gets what nobody asked for.
    fn begin(&self, interface: &Rc<Interface>) -> Result<(), NetError> {
        let cooked = interface.link == LinkType::Ip;
        let socket = (self.opener)(&|| ring::open(cooked))?;
        let coverage = Coverage { wanted: Wanted::Nothing, version: 0, outgoing: false, promiscuous: false };
        attach(&socket, &coverage.wanted, interface.link).map_err(|error| failure(interface).because(error))?;
        let loopback = interface.kind == LinkKind::Loopback;
        // Kernels that do not know it show both views; the thread and the dispatcher tell them apart.
        let _ = ring::ignore_outgoing(socket.as_fd(), true);
        let socket = Arc::new(socket);
        let tap = Tap {
            interface: Rc::clone(interface),
            socket: Arc::clone(&socket),
            phase: Phase::Opening(Vec::new()),
            attached: Attached { version: 0, outgoing: false, promiscuous: false },
        };
        let listen = Listen { interface: interface.index, link: interface.link, loopback, socket, size: self.size };
        self.taps.borrow_mut().insert(interface.index, tap);
        if let Some(exchange) = self.exchange.get() {
            exchange.order(Order::Listen(listen));
        }
        Ok(())
    }

    fn opened(&self, interface: u32, result: io::Result<()>) {
        let mut taps = self.taps.borrow_mut();
        let Some(tap) = taps.get_mut(&interface) else { return };
        let phase = match result {
            Ok(()) => Phase::Open,
            Err(error) => Phase::Failed(failure(&tap.interface).because(error)),
        };
        let before = std::mem::replace(&mut tap.phase, phase);
        drop(taps);
        if let Phase::Opening(waiters) = before {
            waiters.into_iter().for_each(Waker::wake);
        }
    }

    /// Tells the kernel what is wanted of `interface`, if that changed.
    fn refresh(&self, interface: u32) -> Result<(), NetError> {
        let mut taps = self.taps.borrow_mut();
        let Some(tap) = taps.get_mut(&interface) else { return Ok(()) };
        let coverage = self.dispatcher.coverage(interface, tap.interface.link);
        tap.attach(&coverage).map_err(|error| failure(&tap.interface).because(error))
    }

    fn dispatch(&self, batch: &Batch, stamps: &WallStamps) {
        let interface = self.taps.borrow().get(&batch.interface).map(|tap| Rc::clone(&tap.interface));
        let Some(interface) = interface else { return };
        for (packet, bytes) in batch.iter() {
            self.dispatcher.dispatch(&Frame {
                at: stamps.turn(packet.wall),
                interface: &interface,
                link: interface.link,
                direction: packet.direction,
                wire_len: packet.wire_len,
                bytes,
            });
        }
    }

    /// Asks the kernel what it lost since it was last asked.
    fn count_losses(&self) {
        let counts: Vec<(u32, u32)> = {
            let taps = self.taps.borrow();
            let statistics = taps.iter().map(|(index, tap)| (*index, ring::statistics(tap.socket.as_fd())));
            statistics.filter_map(|(index, counts)| Some((index, counts.ok()?.drops))).collect()
        };
        for (index, drops) in counts {
            self.dispatcher.kernel_lost(index, u64::from(drops));
        }
    }

    fn gone(&self, interface: u32) {
        self.count_losses();
        let Some(tap) = self.taps.borrow_mut().remove(&interface) else { return };
        let error = failure(&tap.interface).because("the interface is gone");
        self.dispatcher.interface_gone(interface, &error);
        if let Some(exchange) = self.exchange.get() {
            exchange.order(Order::Close(tap.socket));
        }
    }

    fn thread_ended(&self) {
        self.ended.set(true);
        let error = thread_ended();
        for tap in self.taps.borrow_mut().values_mut() {
            if let Phase::Opening(waiters) = std::mem::replace(&mut tap.phase, Phase::Failed(error.clone())) {
                waiters.into_iter().for_each(Waker::wake);
            }
        }
        self.dispatcher.capture_ended(&error);
    }
}

fn thread_ended() -> NetError {
    NetError::new(NetErrorKind::Local, "capture", "this machine").because("the capture thread ended")
}

impl Tap {
    fn attach(&mut self, coverage: &Coverage) -> io::Result<()> {
        let wanted =
            Attached { version: coverage.version, outgoing: coverage.outgoing, promiscuous: coverage.promiscuous };
        if wanted == self.attached {
            return Ok(());
        }
        let loopback = self.interface.kind == LinkKind::Loopback;
        if wanted.outgoing != self.attached.outgoing && !loopback {
            let _ = ring::ignore_outgoing(self.socket.as_fd(), !wanted.outgoing); // as in `begin`
        }
        if wanted.promiscuous != self.attached.promiscuous {
            ring::promiscuous(self.socket.as_fd(), self.interface.index, wanted.promiscuous)?;
        }
        if wanted.version != self.attached.version {
            // A kernel that has no memory for the program takes the one that lets everything through.
            attach(&self.socket, &coverage.wanted, self.interface.link)
                .or_else(|_| attach(&self.socket, &Wanted::Everything, self.interface.link))?;
        }
        self.attached = wanted;
        Ok(())
    }
}

/// Puts a program in place of the one before.
fn attach(socket: &OwnedFd, wanted: &Wanted, link: LinkType) -> io::Result<()> {
    let result = |keep| SockFilter::new(0x06, 0, 0, keep); // ret #keep
    let program = match wanted {
        Wanted::Nothing => vec![result(0)],
        Wanted::Everything => vec![result(KEEP)],
        Wanted::Matching(program) => {
            let own = program.instructions().iter().map(|one| SockFilter::new(one.code, one.jt, one.jf, one.k));
            // The program expects tags in the bytes, where the kernel does not have them: what was tagged is let through, and
            // the dispatcher decides when the tag is back. ldb vlanp; jeq #0, 1, 0; ret #keep
            let tagged = [SockFilter::new(0x30, 0, 0, VLAN_TAG_PRESENT), SockFilter::new(0x15, 1, 0, 0), result(KEEP)];
            tagged.into_iter().filter(|_| link == LinkType::Ethernet).chain(own).collect()
        }
    };
    SockRef::from(socket).attach_filter(&program)
}

/// Where the kernel's programs find whether a tag was taken off: `SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT`.
const VLAN_TAG_PRESENT: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_VLAN_TAG_PRESENT) as u32;
