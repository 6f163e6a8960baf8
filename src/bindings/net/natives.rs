//! The functions of the Rhai module `net`. All that may suspend are functions, never methods.

use std::net::{IpAddr, SocketAddr};

use rhai::plugin::{Dynamic, NativeCallContext, export_module, exported_module};
use rhai::{Array, Blob, INT, Map, Module};

use super::Acceptor;
use super::Socket;
use super::links::{interface_map, route_map};
use super::until;
use crate::bindings::data::{Data, Wanted};
use crate::bindings::fault::{ARGUMENT, Fallible, script_error};
use crate::bindings::located;
use crate::bindings::options::{check_options, flag};
use crate::bindings::reach::{AnyHost, AnyPort, Peer, Reach, Seconds, bytes_of, port_number, seconds, wait_net};
use crate::bindings::tls::options_from;
use crate::model::{Capability, NetError, NetErrorKind};
use crate::net::{ConnectOptions, Family};

/// Bytes read in search of a delimiter when no limit is given.
const DEFAULT_LIMIT: i64 = 1 << 20;

/// The static module `net`.
pub fn module() -> Module {
    located::module(&natives::RHAI_MANIFEST, exported_module!(natives))
}

fn address_map(addr: SocketAddr) -> Map {
    let fields = [("ip", Dynamic::from(addr.ip().to_string())), ("port", Dynamic::from(INT::from(addr.port())))];
    fields.into_iter().map(|(key, value)| (key.into(), value)).collect()
}

/// A positive count a script asks for.
fn count(op: &str, number: INT) -> Fallible<usize> {
    usize::try_from(number)
        .ok()
        .filter(|count| (1..=16 << 20).contains(count))
        .ok_or_else(|| script_error(ARGUMENT, op, format!("{number} is not between 1 and 16 MiB")))
}

fn connect_with(call: &NativeCallContext<'_>, host: &Dynamic, port: &Dynamic, options: &Map) -> Fallible<Socket> {
    const OP: &str = "net::connect";
    check_options(OP, options, &["timeout", "tls", "server_name", "alpn"])?;
    let reach = Reach::of(call)?;
    let peer = Peer::from_script(OP, host)?;
    let port = port_number(OP, port)?;
    let timeout = options.get("timeout").map_or(Ok(reach.timeout()), |value| seconds(OP, value))?;
    let tls = flag(OP, options, "tls", false)?;
    let tls_options = options_from(OP, options, peer.name())?;
    wait_net(async move {
        let addr = peer.resolve(&reach, port).await?;
        let connect = ConnectOptions { timeout: Some(timeout), ..ConnectOptions::default() };
        let stream = reach.connect(addr, connect).await?;
        let name = peer.name().map(str::to_owned);
        let socket = reach.adopt(Socket::stream(reach.broker.clock().clone(), stream, name, timeout));
        if tls {
            reach.broker.admit(&reach.warrant, Capability::Tls, "start_tls", addr)?;
            socket.start_tls(&tls_options, reach.broker.random()).await?;
        }
        Ok(socket)
    })
}

fn udp_with(call: &NativeCallContext<'_>, host: &Dynamic, port: &Dynamic) -> Fallible<Socket> {
    const OP: &str = "net::udp";
    let reach = Reach::of(call)?;
    let peer = Peer::from_script(OP, host)?;
    let port = port_number(OP, port)?;
    wait_net(async move {
        let addr = peer.resolve(&reach, port).await?;
        let datagram = reach.broker.datagram(&reach.warrant, None, Some(addr)).await?;
        let socket = Socket::datagram(reach.broker.clock().clone(), datagram.into(), Some(addr), reach.timeout());
        Ok(reach.adopt(socket))
    })
}

/// The end of the first delimiter in `data`, searching on from where the last search stopped.
pub(super) fn delimiter(pattern: Vec<u8>) -> impl FnMut(&[u8]) -> Option<usize> {
    let mut searched = 0;
    move |data: &[u8]| {
        let from = searched.min(data.len());
        let hit = data[from..].windows(pattern.len()).position(|window| window == pattern);
        searched = data.len().saturating_sub(pattern.len() - 1);
        hit.map(|at| from + at + pattern.len())
    }
}

/// The end of the `wanted`th line in `data`.
fn lines(wanted: usize) -> impl FnMut(&[u8]) -> Option<usize> {
    let (mut seen, mut searched) = (0, 0);
    move |data: &[u8]| {
        while let Some(at) = data[searched..].iter().position(|byte| *byte == b'\n') {
            searched += at + 1;
            seen += 1;
            if seen == wanted {
                return Some(searched);
            }
        }
        searched = data.len();
        None
    }
}

/// Streams, datagrams, listeners and names. Peers other than the script's own host take the capability `other-hosts`.
#[export_module(manifest)]
mod natives {
    /// A TCP stream or a UDP socket. What is done with it may suspend, so it has functions (`net::send(sock, …)`) and no
    /// methods. It closes when the script ends.
    pub type Socket = crate::bindings::net::Socket;

    /// A listening TCP socket, from `net::listen`. It closes when the script ends.
    pub type Listener = Acceptor;

    /// Opens a TCP connection to a port of a host; returns a socket. `host` is a host value, an address or a name,
    /// `port` a port value or a number. Capability `tcp`. Errors: `refused`, `timeout`, `unreachable`, `resolve`,
    /// `denied`. Suspends.
    ///
    /// ```rhai
    /// let sock = net::connect(host, port);
    /// net::send(sock, "ping\n");
    /// assert_eq(bytes::to_text(net::receive_lines(sock, 1)), "ping\n");
    /// net::close(sock);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn connect(call: NativeCallContext, host: AnyHost, port: AnyPort) -> Fallible<Socket> {
        connect_with(&call, &host, &port, &Map::new())
    }

    /// The same with options: `timeout` (seconds, also for later operations), `tls` (speak TLS at once; capability
    /// `tls`), `server_name` (for SNI; false for none), `alpn` (list of protocol names). Suspends.
    ///
    /// ```rhai
    /// let sock = net::connect(host, port, #{ timeout: 2.5 });
    /// net::close(sock);
    /// ```
    #[rhai_fn(name = "connect", return_raw)]
    pub fn connect_options(call: NativeCallContext, host: AnyHost, port: AnyPort, options: Map) -> Fallible<Socket> {
        connect_with(&call, &host, &port, &options)
    }

    /// A UDP socket connected to a port of a host: it hears only that peer, and its ICMP errors. Capability `udp`.
    /// Suspends.
    ///
    /// ```rhai
    /// let sock = net::udp(host, udp_port);
    /// net::send(sock, "ping");
    /// assert_eq(bytes::to_text(net::receive(sock)), "ping");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn udp(call: NativeCallContext, host: AnyHost, port: AnyPort) -> Fallible<Socket> {
        udp_with(&call, &host, &port)
    }

    /// An unconnected UDP socket, for `net::send_to` and `net::receive_from`. Capability `udp`. Suspends.
    ///
    /// ```rhai
    /// let sock = net::udp();
    /// net::send_to(sock, host, udp_port, "ping");
    /// let answer = net::receive_from(sock);
    /// assert_eq(bytes::to_text(answer.data), "ping");
    /// assert_eq(answer.ip, host.ip);
    /// ```
    #[rhai_fn(name = "udp", return_raw)]
    pub fn udp_unconnected(call: NativeCallContext) -> Fallible<Socket> {
        let reach = Reach::of(&call)?;
        wait_net(async move {
            let v6 = reach.host.as_ref().is_some_and(|host| host.borrow().target.addr.is_ipv6());
            let any: Option<SocketAddr> = v6.then(|| SocketAddr::from(([0u16; 8], 0)));
            let datagram = reach.broker.datagram(&reach.warrant, any, None).await?;
            let socket = Socket::datagram(reach.broker.clock().clone(), datagram.into(), None, reach.timeout());
            Ok(reach.adopt(socket))
        })
    }

    /// Sends all of `data` (BLOB or text). Errors: `reset`, `timeout`, `budget`. Suspends.
    ///
    /// ```rhai
    /// let sock = net::connect(host, port);
    /// net::send(sock, "a");
    /// net::send(sock, blob(2, 0x62));
    /// assert_eq(bytes::to_text(net::receive_bytes(sock, 3)), "abb");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn send(sock: Socket, data: Data) -> Fallible<()> {
        let data = bytes_of("net::send", &data)?;
        wait_net(async move { sock.send(&data).await })
    }

    /// Sends one datagram from an unconnected UDP socket. Suspends.
    ///
    /// ```rhai
    /// let sock = net::udp();
    /// net::send_to(sock, host, udp_port, "ping");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn send_to(call: NativeCallContext, sock: Socket, host: AnyHost, port: AnyPort, data: Data) -> Fallible<()> {
        const OP: &str = "net::send_to";
        let (reach, peer) = (Reach::of(&call)?, Peer::from_script(OP, &host)?);
        let (port, data) = (port_number(OP, &port)?, bytes_of(OP, &data)?);
        wait_net(async move {
            let addr = peer.resolve(&reach, port).await?;
            sock.send_to(&data, addr).await
        })
    }

    /// One datagram: `#{ data, ip, port }`. Suspends.
    ///
    /// ```rhai
    /// let sock = net::udp();
    /// net::send_to(sock, host, udp_port, "x");
    /// assert_eq(net::receive_from(sock).port, udp_port);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn receive_from(sock: Socket) -> Fallible<Map> {
        let (data, from) = wait_net(async move { sock.receive_from().await })?;
        let mut map = address_map(from);
        map.insert("data".into(), Dynamic::from_blob(data));
        Ok(map)
    }

    /// Whatever has arrived, at least one byte: leftovers of earlier calls first. Errors: `closed` at the end of the
    /// stream, `timeout`, `reset`. Suspends.
    ///
    /// ```rhai
    /// let sock = net::connect(host, port);
    /// net::send(sock, "hello");
    /// assert(net::receive(sock).len() >= 1);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn receive(sock: Socket) -> Fallible<Blob> {
        wait_net(async move { sock.receive().await })
    }

    /// Exactly `n` bytes; more stays for the next call. When the stream ends or time is up first it is an error, and
    /// what came stays for `net::receive`. Suspends.
    ///
    /// ```rhai
    /// let sock = net::connect(host, port);
    /// net::send(sock, "abcdef");
    /// assert_eq(bytes::to_text(net::receive_bytes(sock, 2)), "ab");
    /// assert_eq(bytes::to_text(net::receive_bytes(sock, 4)), "cdef");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn receive_bytes(sock: Socket, n: INT) -> Fallible<Blob> {
        let wanted = count("net::receive_bytes", n)?;
        wait_net(async move { sock.receive_until(wanted, |data| (data.len() >= wanted).then_some(wanted)).await })
    }

    /// Exactly `n` lines with their ends; more stays for the next call. At most 1 MiB. Suspends.
    ///
    /// ```rhai
    /// let sock = net::connect(host, port);
    /// net::send(sock, "one\ntwo\nthree\n");
    /// assert_eq(bytes::to_text(net::receive_lines(sock, 2)), "one\ntwo\n");
    /// assert_eq(bytes::to_text(net::receive_lines(sock, 1)), "three\n");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn receive_lines(sock: Socket, n: INT) -> Fallible<Blob> {
        let wanted = count("net::receive_lines", n)?;
        wait_net(async move { sock.receive_until(DEFAULT_LIMIT as usize, lines(wanted)).await })
    }

    /// Everything up to and including what is waited for; more stays for the next call. That is bytes (BLOB or text), a
    /// compiled `Regex`, or a function that gets what has come so far and returns unit, the end of what it wants, or
    /// `[start, end]`; it may wait itself. At most 1 MiB, after which it is an error `protocol`. Suspends.
    ///
    /// ```rhai
    /// let sock = net::connect(host, port);
    /// net::send(sock, "key=value;rest");
    /// assert_eq(bytes::to_text(net::receive_until(sock, ";")), "key=value;");
    /// assert_eq(bytes::to_text(net::receive_bytes(sock, 4)), "rest");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn receive_until(call: NativeCallContext, sock: Socket, wanted: Wanted) -> Fallible<Blob> {
        until::receive(&call, sock, &wanted, true, DEFAULT_LIMIT as usize)
    }

    /// The same; with `keep` false, what was waited for is taken but not returned. Suspends.
    ///
    /// ```rhai
    /// let sock = net::connect(host, port);
    /// net::send(sock, "one\r\ntwo  three;");
    /// assert_eq(bytes::to_text(net::receive_until(sock, regex::compile("\\r?\\n"), false)), "one");
    /// assert_eq(bytes::to_text(net::receive_until(sock, |data| bytes::find(data, " "), false)), "two");
    /// assert_eq(bytes::to_text(net::receive_until(sock, ";", false)), "  three");
    /// ```
    #[rhai_fn(name = "receive_until", return_raw)]
    pub fn receive_until_keep(call: NativeCallContext, sock: Socket, wanted: Wanted, keep: bool) -> Fallible<Blob> {
        until::receive(&call, sock, &wanted, keep, DEFAULT_LIMIT as usize)
    }

    /// The same with a limit in bytes. Suspends.
    ///
    /// ```rhai
    /// let sock = net::connect(host, port);
    /// net::send(sock, "a;");
    /// assert_eq(bytes::to_text(net::receive_until(sock, ";", false, 100)), "a");
    /// ```
    #[rhai_fn(name = "receive_until", return_raw)]
    pub fn receive_until_keep_limit(
        call: NativeCallContext,
        sock: Socket,
        wanted: Wanted,
        keep: bool,
        limit: INT,
    ) -> Fallible<Blob> {
        until::receive(&call, sock, &wanted, keep, count("net::receive_until", limit)?)
    }

    /// The same with a limit in bytes. Suspends.
    ///
    /// ```rhai
    /// let sock = net::connect(host, port);
    /// net::send(sock, "a;");
    /// assert_eq(bytes::to_text(net::receive_until(sock, ";", 100)), "a;");
    /// ```
    #[rhai_fn(name = "receive_until", return_raw)]
    pub fn receive_until_limit(call: NativeCallContext, sock: Socket, wanted: Wanted, limit: INT) -> Fallible<Blob> {
        until::receive(&call, sock, &wanted, true, count("net::receive_until", limit)?)
    }

    /// Puts TLS over a connected stream; returns what the handshake told, as `tls::inspect` does. Capability `tls`.
    /// Errors: `tls`, `timeout`. Suspends.
    ///
    /// ```rhai
    /// let sock = net::connect(host, port);
    /// let kind = ""; // the port of these examples only echoes
    /// try { net::start_tls(sock) } catch (error) { kind = error.kind }
    /// assert_eq(kind, "tls");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn start_tls(call: NativeCallContext, sock: Socket) -> Fallible<Map> {
        start_tls_options(call, sock, Map::new())
    }

    /// The same with options `server_name` and `alpn`. Suspends.
    ///
    /// ```rhai
    /// let sock = net::connect(host, port);
    /// let kind = "";
    /// try { net::start_tls(sock, #{ server_name: "a.example" }) } catch (error) { kind = error.kind }
    /// assert_eq(kind, "tls");
    /// ```
    #[rhai_fn(name = "start_tls", return_raw)]
    pub fn start_tls_options(call: NativeCallContext, sock: Socket, options: Map) -> Fallible<Map> {
        const OP: &str = "net::start_tls";
        check_options(OP, &options, &["server_name", "alpn"])?;
        let reach = Reach::of(&call)?;
        let tls_options = options_from(OP, &options, sock.name().as_deref())?;
        let info = wait_net(async move {
            let peer = sock.peer().ok_or_else(|| NetError::new(NetErrorKind::Local, "start_tls", "nobody"))?;
            reach.broker.admit(&reach.warrant, Capability::Tls, "start_tls", peer)?;
            sock.start_tls(&tls_options, reach.broker.random()).await?;
            sock.tls().ok_or_else(|| NetError::new(NetErrorKind::Tls, "start_tls", peer))
        })?;
        Ok(crate::bindings::tls::info_map(&info))
    }

    /// What the TLS handshake of this socket told; unit on a plain socket.
    ///
    /// ```rhai
    /// assert_eq(net::tls(net::connect(host, port)), ());
    /// ```
    pub fn tls(sock: Socket) -> Dynamic {
        sock.tls().map_or(Dynamic::UNIT, |info| Dynamic::from_map(crate::bindings::tls::info_map(&info)))
    }

    /// Our end: `#{ ip, port }`.
    ///
    /// ```rhai
    /// assert(net::local(net::connect(host, port)).port > 0);
    /// ```
    pub fn local(sock: Socket) -> Map {
        address_map(sock.local())
    }

    /// The other end: `#{ ip, port }`; unit on an unconnected socket.
    ///
    /// ```rhai
    /// assert_eq(net::peer(net::connect(host, port)).port, port.number);
    /// ```
    pub fn peer(sock: Socket) -> Dynamic {
        sock.peer().map_or(Dynamic::UNIT, |peer| Dynamic::from_map(address_map(peer)))
    }

    /// Closes the socket. Closing twice is harmless; sockets left open close when the script ends.
    ///
    /// ```rhai
    /// let sock = net::connect(host, port);
    /// net::close(sock);
    /// net::close(sock);
    /// ```
    pub fn close(sock: Socket) {
        sock.close();
    }

    /// Time each further operation may take, in seconds.
    ///
    /// ```rhai
    /// let sock = net::connect(host, port);
    /// net::set_timeout(sock, 0.02);
    /// let kind = "";
    /// try { net::receive(sock) } catch (error) { kind = error.kind }
    /// assert_eq(kind, "timeout");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn set_timeout(sock: Socket, time: Seconds) -> Fallible<()> {
        sock.set_timeout(seconds("net::set_timeout", &time)?);
        Ok(())
    }

    /// Time all further operations together may take, in seconds from now; unit lifts it.
    ///
    /// ```rhai
    /// let sock = net::connect(host, port);
    /// net::set_deadline(sock, 0.02);
    /// let kind = "";
    /// try { net::receive(sock) } catch (error) { kind = error.kind }
    /// assert_eq(kind, "timeout");
    /// net::set_deadline(sock, ());
    /// ```
    #[rhai_fn(return_raw)]
    pub fn set_deadline(call: NativeCallContext, sock: Socket, time: Seconds) -> Fallible<()> {
        if time.is_unit() {
            sock.set_deadline(None);
            return Ok(());
        }
        let time = seconds("net::set_deadline", &time)?;
        sock.set_deadline(Some(Reach::of(&call)?.broker.clock().now().plus(time)));
        Ok(())
    }

    /// Listens for TCP connections on a local address and port (0: any). Capability `listen`. Suspends.
    ///
    /// ```rhai
    /// let door = net::listen("127.0.0.1", 0);
    /// assert(net::listening_on(door).port > 0);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn listen(call: NativeCallContext, address: &str, port: INT) -> Fallible<Listener> {
        const OP: &str = "net::listen";
        let reach = Reach::of(&call)?;
        let ip: IpAddr = address
            .parse()
            .map_err(|_| script_error(ARGUMENT, OP, format!("\"{address}\" is not an address of this machine")))?;
        let bind = SocketAddr::new(ip, port_number(OP, &Dynamic::from(port))?);
        let (timeout, clock) = (reach.timeout(), reach.broker.clock().clone());
        wait_net(async move {
            let listener = reach.broker.listen(&reach.warrant, bind).await?;
            Ok(reach.adopt(Acceptor::new(listener, timeout, clock)))
        })
    }

    /// Where a listener listens: `#{ ip, port }`.
    ///
    /// ```rhai
    /// assert_eq(net::listening_on(net::listen("127.0.0.1", 0)).ip, "127.0.0.1");
    /// ```
    pub fn listening_on(listener: Listener) -> Map {
        address_map(listener.local())
    }

    /// The next connection to a listener, as a socket. Suspends.
    ///
    /// ```rhai
    /// let door = net::listen("127.0.0.1", 0);
    /// let sock = net::connect("127.0.0.1", net::listening_on(door).port);
    /// let other = net::accept(door);
    /// net::send(sock, "hi");
    /// assert_eq(bytes::to_text(net::receive_bytes(other, 2)), "hi");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn accept(call: NativeCallContext, listener: Listener) -> Fallible<Socket> {
        let reach = Reach::of(&call)?;
        wait_net(async move { Ok(reach.adopt(listener.accept().await?)) })
    }

    /// Closes a listener. Harmless when it is closed.
    ///
    /// ```rhai
    /// let door = net::listen("127.0.0.1", 0);
    /// net::close(door);
    /// try { net::accept(door) } catch (error) { assert_eq(error.kind, "closed") }
    /// ```
    #[rhai_fn(name = "close")]
    pub fn close_listener(listener: Listener) {
        listener.close();
    }

    /// The addresses of a name, IPv4 and IPv6. Capability `dns`. Errors: `resolve`, `timeout`. Suspends.
    ///
    /// ```rhai
    /// assert(net::resolve("localhost").contains("127.0.0.1"));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn resolve(call: NativeCallContext, name: &str) -> Fallible<Array> {
        let (reach, name) = (Reach::of(&call)?, name.to_owned());
        let found = wait_net(async move { reach.broker.addresses(&reach.warrant, &name, Family::Any).await })?;
        Ok(found.into_iter().map(|addr| Dynamic::from(addr.to_string())).collect())
    }

    /// The names of an address; empty when there are none. Capability `dns`. Suspends.
    ///
    /// ```rhai
    /// assert_eq(type_of(net::reverse("127.0.0.1")), "array");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn reverse(call: NativeCallContext, address: &str) -> Fallible<Array> {
        let addr: IpAddr = address
            .parse()
            .map_err(|_| script_error(ARGUMENT, "net::reverse", format!("\"{address}\" is not an address")))?;
        let reach = Reach::of(&call)?;
        let names = wait_net(async move { reach.broker.reverse(&reach.warrant, addr).await })?;
        Ok(names.into_iter().map(Dynamic::from).collect())
    }

    /// The interfaces of this machine: `#{ index, name, kind, mac, mtu, up, addrs }` each. `kind` is `ethernet`,
    /// `loopback`, `point-to-point` or `other`, `mac` is unit where links have no hardware addresses, `mtu` counts bytes,
    /// `addrs` are `#{ ip, prefix }`, IPv4 first. One of the capabilities `raw`, `capture`, `broadcast`. Suspends.
    ///
    /// ```rhai
    /// let lo = net::interfaces().filter(|one| one.kind == "loopback")[0];
    /// assert_eq(lo.name, "lo");
    /// assert(lo.up && lo.mtu >= 1500);
    /// assert_eq(lo.addrs[0], #{ ip: "127.0.0.1", prefix: 8 });
    /// ```
    #[rhai_fn(return_raw)]
    pub fn interfaces(call: NativeCallContext) -> Fallible<Array> {
        let reach = Reach::of(&call)?;
        let found = wait_net(async move { reach.broker.interfaces(&reach.warrant).await })?;
        Ok(found.iter().map(|one| Dynamic::from_map(interface_map(one))).collect())
    }

    /// The way packets take to a host: `#{ interface, source, gateway }`. `interface` is as in `net::interfaces`, `source`
    /// our address on the way, `gateway` who forwards them, unit when the host is on the link. One of the capabilities
    /// `raw`, `capture`, `broadcast`. Errors: `unreachable`, `resolve`, `denied`. Suspends.
    ///
    /// ```rhai
    /// let way = net::route(host);
    /// assert_eq(way.interface.name, "lo");
    /// assert_eq(way.source, host.ip);
    /// assert_eq(way.gateway, ());
    /// ```
    #[rhai_fn(return_raw)]
    pub fn route(call: NativeCallContext, host: AnyHost) -> Fallible<Map> {
        let (reach, peer) = (Reach::of(&call)?, Peer::from_script("net::route", &host)?);
        let way = wait_net(async move {
            let addr = peer.resolve(&reach, 0).await?;
            let scope = match addr {
                SocketAddr::V6(addr) => Some(addr.scope_id()).filter(|scope| *scope != 0),
                SocketAddr::V4(_) => None,
            };
            reach.broker.route(&reach.warrant, addr.ip(), scope).await
        })?;
        Ok(route_map(&way))
    }
}
