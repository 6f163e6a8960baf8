//! What an instance's natives hold of the outside: the broker, its warrant, its host.

use std::cell::{OnceCell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::rc::{Rc, Weak};
use std::time::Duration;

use rhai::{Dynamic, NativeCallContext};

use super::data::view;
use super::fault::{ARGUMENT, Fallible, net_error, script_error};
use super::host::{HostValue, PortValue};
use super::http::{Cache, Client, Dialler, Pool};
use super::net::{Handle, Owned};
use super::targets::Additions;
use crate::model::{NetError, NetErrorKind, Spent};
use crate::net::broker::{Broker, Warrant};
use crate::net::{ConnectOptions, Family, Stream};
use crate::runtime::Random;
use crate::script::Context;

/// A host value, an address or a name. The name of such a type is what the reference turns into what scripts may pass.
pub type AnyHost = Dynamic;
/// A port value or a number.
pub type AnyPort = Dynamic;
/// A time in seconds.
pub type Seconds = Dynamic;

/// Travels through the script engine unseen; natives get it back with [`Reach::of`].
pub struct Reach {
    /// The door.
    pub broker: Broker,
    /// What this instance may do.
    pub warrant: Rc<Warrant>,
    /// What it draws: the same whatever other instances drew before.
    pub random: Random,
    /// The host it was started for.
    pub host: Option<HostValue>,
    /// Answers shared by all HTTP clients of the run.
    pub cache: Cache,
    /// Targets scripts add to the run.
    pub additions: Additions,
    /// This instance's HTTP client, once it needs one.
    pub client: OnceCell<Client>,
    /// Local ports it reserved for packets.
    pub ports: super::raw::Ports,
    /// What it opened, to be closed when it ends.
    pub open: RefCell<Vec<Weak<dyn Handle>>>,
}

impl Reach {
    /// The reach of the instance behind a native call.
    pub fn of(call: &NativeCallContext<'_>) -> Fallible<Rc<Reach>> {
        Context::of(call)?.reach::<Reach>()
    }

    /// The instance's HTTP client.
    pub fn client(&self) -> Client {
        let make = || {
            let (broker, warrant) = (self.broker.clone(), Rc::clone(&self.warrant));
            let (clock, random) = (broker.clock().clone(), self.random.clone());
            let dialler = Dialler { broker, warrant, host: self.host.clone() };
            Client::new(Rc::new(dialler), clock, random, Some(self.cache.clone()), Pool::default())
        };
        self.client.get_or_init(make).clone()
    }

    /// Opens a TCP stream. Idle connections of the HTTP client are let go when they are what holds it up.
    pub async fn connect(&self, peer: SocketAddr, options: ConnectOptions) -> Result<Box<dyn Stream>, NetError> {
        let connected = self.broker.connect(&self.warrant, peer, options.clone()).await;
        match (connected, self.client.get()) {
            (Err(error), Some(client)) if error.kind == NetErrorKind::Budget(Spent::Slots) && client.let_go() => {
                self.broker.connect(&self.warrant, peer, options).await
            }
            (connected, _) => connected,
        }
    }

    /// The number of the interface called so, for the operation `op`.
    pub async fn interface(&self, op: &'static str, name: &str) -> Result<u32, NetError> {
        let all = self.broker.interfaces(&self.warrant).await?;
        let found = all.iter().find(|one| &*one.name == name).map(|one| one.index);
        found.ok_or_else(|| NetError::new(NetErrorKind::Local, op, name).because("there is no such interface"))
    }

    /// Makes a socket, listener or coroutine one of the instance's own: it closes with it, whoever else still holds it.
    pub fn adopt<T: Owned>(&self, one: T) -> T {
        let mut open = self.open.borrow_mut();
        if open.len() == open.capacity() {
            open.retain(|handle| handle.strong_count() > 0); // before it grows: as long as what is open
        }
        open.push(one.handle());
        one
    }

    /// Closes what the instance left open. It belongs to the base thread: what a registry or a closure still holds does
    /// not keep it.
    pub fn close(&self) {
        let open = self.open.take();
        open.iter().filter_map(Weak::upgrade).for_each(|handle| handle.close());
        self.ports.close();
        if let Some(client) = self.client.get() {
            client.pool().clear();
        }
    }

    /// Time one operation may take by default.
    pub fn timeout(&self) -> Duration {
        self.warrant.limits.operation_timeout
    }
}

/// A peer as scripts name it: a host value, an address, or a name to be looked up.
#[derive(Clone)]
pub enum Peer {
    /// An address, and the name that belongs to it.
    Addr(IpAddr, u32, Option<String>),
    /// A name; asking for it takes the capability `dns`.
    Name(String),
}

impl Peer {
    /// Reads a script's host argument.
    pub fn from_script(op: &str, host: &Dynamic) -> Fallible<Peer> {
        if let Some(host) = host.read_lock::<HostValue>() {
            let host = host.borrow();
            return Ok(Peer::Addr(host.target.addr, host.target.scope, host.target.name.clone()));
        }
        let Ok(text) = host.clone().into_immutable_string() else {
            let found = host.type_name();
            return Err(script_error(ARGUMENT, op, format!("the first argument is a host or text, not {found}")));
        };
        Ok(text.parse().map_or_else(|_| Peer::Name(text.to_string()), |addr| Peer::Addr(addr, 0, None)))
    }

    /// The name to present to the peer: in SNI, in `Host`.
    pub fn name(&self) -> Option<&str> {
        match self {
            Peer::Addr(_, _, name) => name.as_deref(),
            Peer::Name(name) => Some(name),
        }
    }

    /// The socket address to talk to.
    pub async fn resolve(&self, reach: &Reach, port: u16) -> Result<SocketAddr, NetError> {
        match self {
            Peer::Addr(IpAddr::V6(addr), scope, _) => Ok(std::net::SocketAddrV6::new(*addr, port, 0, *scope).into()),
            Peer::Addr(addr, _, _) => Ok(SocketAddr::new(*addr, port)),
            Peer::Name(name) => {
                // The name of its own host is known without asking anybody.
                if let Some(host) = &reach.host
                    && host.borrow().target.name.as_deref() == Some(name)
                {
                    return Ok(SocketAddr::new(host.borrow().target.addr, port));
                }
                let addresses = reach.broker.addresses(&reach.warrant, name, Family::Any).await?;
                let first = addresses.first().ok_or_else(|| NetError::new(NetErrorKind::Resolve, "resolve", name))?;
                Ok(SocketAddr::new(*first, port))
            }
        }
    }
}

/// Reads a script's port argument: a port value or a number.
pub fn port_number(op: &str, port: &Dynamic) -> Fallible<u16> {
    if let Some(port) = port.read_lock::<PortValue>() {
        return Ok(port.number());
    }
    let number = port.as_int().map_err(|found| {
        script_error(ARGUMENT, op, format!("the second argument is a port or a number, not {found}"))
    })?;
    u16::try_from(number).map_err(|_| script_error(ARGUMENT, op, format!("{number} is not a port (0 to 65535)")))
}

/// Bytes a script wants sent: a BLOB, or text as UTF-8.
pub fn bytes_of(op: &str, data: &Dynamic) -> Fallible<Vec<u8>> {
    view(op, data).map(|view| view.to_vec())
}

/// Seconds as scripts give them: an INT or a float, not negative.
pub fn seconds(op: &str, value: &Dynamic) -> Fallible<Duration> {
    let number = value.as_float().or_else(|_| value.as_int().map(|whole| whole as f64));
    number
        .ok()
        .and_then(|number| Duration::try_from_secs_f64(number).ok())
        .ok_or_else(|| script_error(ARGUMENT, op, format!("a time in seconds is a number from 0 up, not {value}")))
}

/// Suspends the script until `future` is done; its network errors become exceptions.
pub fn wait_net<T: 'static>(future: impl Future<Output = Result<T, NetError>> + 'static) -> Fallible<T> {
    crate::script::wait(future)?.map_err(|error| net_error(&error))
}
