//! The values `host` and `port` that rules and actions get.

use std::cell::{Ref, RefCell};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::rc::Rc;

use rhai::plugin::{export_module, exported_module};
use rhai::{Array, Dynamic, Engine, INT, ImmutableString, Map, NativeCallContext};

use super::fault::{ARGUMENT, Fallible, script_error};
use super::options::flag;
use crate::model::nearest::suggestion;
use crate::model::{Host, Port, PortState, Protocol, Reason};
use crate::net::slots::Queueing;
use crate::net::warm::WarmStreams;
use crate::runtime::Latch;
use crate::scan::scripts::Known;
use crate::script::coroutine;
use crate::script::instance::Context;
use crate::script::registry::Registry;

/// A host under scan, shared by all scripts that run on it.
#[derive(Clone)]
pub struct HostValue(Rc<HostCell>);

struct HostCell {
    /// All but its ports.
    host: RefCell<Host>,
    ports: RefCell<BTreeMap<PortKey, Port>>,
    facts: Facts,
    registry: Registry,
    warm: WarmStreams,
}

/// What a port is known by; reports list ports in this order.
pub type PortKey = (Protocol, u16);

/// What may not be known yet while the host is scanned. Who asks for it waits.
struct Facts {
    /// Why it is up.
    reason: Latch,
    names: Latch,
    /// All ports, not just some that are open.
    ports: Latch,
}

/// One port of such a host.
#[derive(Clone)]
pub struct PortValue {
    host: HostValue,
    key: PortKey,
}

impl HostValue {
    /// Shares a host that is about to be scanned with scripts.
    pub fn new(host: Host, known: Known, warm: WarmStreams) -> HostValue {
        let facts = Facts { reason: Latch::new(known.is_up), names: Latch::new(known.names), ports: Latch::new(false) };
        let (host, ports) = (RefCell::new(host), RefCell::default());
        HostValue(Rc::new(HostCell { host, ports, facts, registry: Registry::default(), warm }))
    }

    /// What is known of it now, except for its ports.
    pub fn borrow(&self) -> Ref<'_, Host> {
        self.0.host.borrow()
    }

    /// Values its scripts share.
    pub fn registry(&self) -> Registry {
        self.0.registry.clone()
    }

    /// Connections the scan left open.
    pub fn warm(&self) -> WarmStreams {
        self.0.warm.clone()
    }

    /// One of its ports.
    pub fn port(&self, key: PortKey) -> PortValue {
        PortValue { host: self.clone(), key }
    }

    /// Whether a port is known so far.
    pub fn has_port(&self, key: PortKey) -> bool {
        self.0.ports.borrow().contains_key(&key)
    }

    /// A port was found. Of one that is known already the newest state counts, unless a script has set it.
    pub fn add_port(&self, port: Port) {
        match self.0.ports.borrow_mut().entry((port.protocol, port.number)) {
            Entry::Vacant(entry) => _ = entry.insert(port),
            Entry::Occupied(mut entry) if entry.get().reason != Reason::ScriptSet => {
                let known = entry.get_mut();
                (known.state, known.reason, known.reason_ttl) = (port.state, port.reason, port.reason_ttl);
            }
            Entry::Occupied(_) => {}
        }
    }

    /// Its names were looked up.
    pub fn set_names(&self, names: &[String]) {
        names.clone_into(&mut self.0.host.borrow_mut().names);
        self.0.facts.names.open();
    }

    /// Takes over what the scan found, which now is all of it.
    pub fn complete(&self, mut host: Host) {
        for port in std::mem::take(&mut host.ports) {
            self.add_port(port);
        }
        let mut known = self.0.host.borrow_mut();
        host.names = std::mem::take(&mut known.names);
        *known = host;
        drop(known);
        self.0.facts.reason.open();
        self.0.facts.ports.open();
    }

    /// What is known of it, with what scripts added.
    pub fn to_host(&self) -> Host {
        let ports = self.0.ports.borrow().values().cloned().collect();
        Host { ports, ..self.0.host.borrow().clone() }
    }
}

/// Waits until something is known of the host. The time is not the script's own, unless it holds a socket meanwhile.
fn known(call: &NativeCallContext<'_>, fact: &Latch) -> Fallible<()> {
    if fact.is_open() {
        return Ok(());
    }
    let context = Context::of(call)?;
    let queueing = Queueing::enter(&context.job.usage, context.scheduler()?.clock());
    let opened = fact.opened();
    coroutine::wait(async move {
        opened.await;
        drop(queueing);
    })
}

impl PortValue {
    /// The port's number.
    pub fn number(&self) -> u16 {
        self.key.1
    }

    /// Whether what is known of the service says TLS.
    pub fn speaks_tls(&self) -> bool {
        self.with(|port| port.service.tls || port.service.name.starts_with("https"))
    }

    fn with<T: Default>(&self, read: impl FnOnce(&Port) -> T) -> T {
        self.host.0.ports.borrow().get(&self.key).map(read).unwrap_or_default()
    }

    fn change(&self, write: impl FnOnce(&mut Port)) {
        if let Some(port) = self.host.0.ports.borrow_mut().get_mut(&self.key) {
            write(port);
        }
    }

    fn report_state(&self, state: &str) -> Fallible<()> {
        let parsed = match state {
            "open" => PortState::Open,
            "closed" => PortState::Closed,
            other => {
                let message = format!("a script may set \"open\" or \"closed\", not \"{other}\"");
                return Err(script_error(ARGUMENT, "port.set_state", message));
            }
        };
        self.change(|port| (port.state, port.reason) = (parsed, Reason::ScriptSet));
        Ok(())
    }

    fn report_version(&self, fields: &Map) -> Fallible<()> {
        const KNOWN: [&str; 5] = ["name", "product", "version", "extra", "tls"];
        if let Some(unknown) = fields.keys().find(|key| !KNOWN.contains(&key.as_str())) {
            let message = format!("unknown field \"{unknown}\"{}", suggestion(unknown, KNOWN));
            return Err(script_error(ARGUMENT, "port.set_version", message));
        }
        let tls = flag("port.set_version", fields, "tls", self.with(|port| port.service.tls))?;
        let text = |name: &str| fields.get(name).map(ToString::to_string);
        self.change(|port| {
            let service = &mut port.service;
            service.probed = true;
            let slots = [
                ("name", &mut service.name),
                ("product", &mut service.product),
                ("version", &mut service.version),
                ("extra", &mut service.extra),
            ];
            for (name, slot) in slots {
                if let Some(value) = text(name) {
                    *slot = value;
                }
            }
            service.tls = tls;
        });
        Ok(())
    }
}

/// Whether a value stands for a host or a port.
pub fn is_handle(value: &Dynamic) -> bool {
    value.is::<HostValue>() || value.is::<PortValue>()
}

/// Text, or unit where there is none.
fn optional(text: Option<String>) -> Dynamic {
    text.filter(|text| !text.is_empty()).map_or(Dynamic::UNIT, Dynamic::from)
}

/// Registers both types with their fields.
pub fn register(engine: &mut Engine) {
    engine.register_global_module(exported_module!(natives).into());
}

/// The members of both types. Those that tell what may not be known yet suspend until it is.
#[export_module]
mod natives {
    /// The host a script was started for, as its rule and action get it. Fields that are not known are `()`.
    pub type Host = HostValue;

    /// A port of a host, as a portrule and its action get it.
    pub type Port = PortValue;

    /// The address as text.
    ///
    /// ```rhai
    /// assert_eq(host.ip, "127.0.0.1");
    /// ```
    #[rhai_fn(get = "ip", pure)]
    pub fn ip(host: &mut Host) -> String {
        host.borrow().target.addr.to_string()
    }

    /// The first name the address has by reverse lookup; `()` when there is none or none was looked up (`-n`). Waits for
    /// the lookup.
    ///
    /// ```rhai
    /// assert_eq(host.name, ());
    /// ```
    #[rhai_fn(get = "name", pure, return_raw)]
    pub fn host_name(context: NativeCallContext<'_>, host: &mut Host) -> Fallible<Dynamic> {
        known(&context, &host.0.facts.names)?;
        Ok(optional(host.borrow().names.first().cloned()))
    }

    /// The name the user gave as target; `()` when it was an address.
    ///
    /// ```rhai
    /// assert_eq(host.targetname, ());
    /// ```
    #[rhai_fn(get = "targetname", pure)]
    pub fn target_name(host: &mut Host) -> Dynamic {
        optional(host.borrow().target.name.clone())
    }

    /// Why the host counts as up: `syn-ack`, `conn-refused`, `user-set`, `localhost-response`… Where only its ports can
    /// tell, it waits for them.
    ///
    /// ```rhai
    /// assert_eq(host.reason, "user-set");
    /// ```
    #[rhai_fn(get = "reason", pure, return_raw)]
    pub fn host_reason(context: NativeCallContext<'_>, host: &mut Host) -> Fallible<ImmutableString> {
        known(&context, &host.0.facts.reason)?;
        Ok(host.borrow().reason.name().into())
    }

    /// Values shared by all scripts of this host, the same as `script::host_registry()`.
    ///
    /// ```rhai
    /// host.registry.banner = "x";
    /// assert_eq(script::host_registry().banner, "x");
    /// ```
    #[rhai_fn(get = "registry", pure)]
    pub fn host_registry(host: &mut Host) -> Registry {
        host.registry()
    }

    /// Times measured so far: `#{ srtt }`, the smoothed round-trip time in seconds; empty as long as nothing is known of it.
    ///
    /// ```rhai
    /// assert_eq(type_of(host.times), "map");
    /// ```
    #[rhai_fn(get = "times", pure)]
    pub fn times(host: &mut Host) -> Map {
        let srtt = host.borrow().srtt;
        srtt.map(|srtt| ("srtt".into(), Dynamic::from(srtt.as_secs_f64()))).into_iter().collect()
    }

    /// The ports the report lists for this host, in order. Many ports of one dull state (closed, filtered) are folded
    /// into a count and are not among them. Waits until all are scanned.
    ///
    /// ```rhai
    /// assert(host.ports().some(|p| p.number == port.number));
    /// ```
    #[rhai_fn(global, pure, return_raw)]
    pub fn ports(context: NativeCallContext<'_>, host: &mut Host) -> Fallible<Array> {
        known(&context, &host.0.facts.ports)?;
        Ok(host.0.ports.borrow().keys().map(|key| Dynamic::from(host.port(*key))).collect())
    }

    /// The port of that number and protocol; `()` if it was not scanned or is not listed. Waits for the scan of ports,
    /// unless it is known to be open already.
    ///
    /// ```rhai
    /// assert_eq(host.port(port.number, "tcp").state, "open");
    /// assert_eq(host.port(port.number, "udp"), ());
    /// ```
    #[rhai_fn(global, name = "port", pure, return_raw)]
    pub fn port_of(context: NativeCallContext<'_>, host: &mut Host, number: INT, protocol: &str) -> Fallible<Dynamic> {
        let (Ok(number), Some(protocol)) = (u16::try_from(number), Protocol::parse(protocol)) else {
            return Ok(Dynamic::UNIT);
        };
        let key = (protocol, number);
        if !host.has_port(key) {
            known(&context, &host.0.facts.ports)?;
        }
        Ok(if host.has_port(key) { Dynamic::from(host.port(key)) } else { Dynamic::UNIT })
    }

    /// The address, so that a host can stand in text: `${host}`.
    ///
    /// ```rhai
    /// assert_eq(`at ${host}`, "at 127.0.0.1");
    /// ```
    #[rhai_fn(global, name = "to_string", name = "to_debug", pure)]
    pub fn print_host(host: &mut Host) -> String {
        host.borrow().target.addr.to_string()
    }

    /// The number, 0 to 65535.
    ///
    /// ```rhai
    /// assert(port.number > 0);
    /// ```
    #[rhai_fn(get = "number", pure)]
    pub fn port_number(port: &mut Port) -> INT {
        INT::from(port.number())
    }

    /// `"tcp"`, `"udp"` or `"sctp"`.
    ///
    /// ```rhai
    /// assert_eq(port.protocol, "tcp");
    /// ```
    #[rhai_fn(get = "protocol", pure)]
    pub fn protocol(port: &mut Port) -> ImmutableString {
        port.with(|port| port.protocol.name().into())
    }

    /// `"open"`, `"closed"`, `"filtered"`, `"unfiltered"`, `"open|filtered"` or `"closed|filtered"`.
    ///
    /// ```rhai
    /// assert_eq(port.state, "open");
    /// ```
    #[rhai_fn(get = "state", pure)]
    pub fn state(port: &mut Port) -> ImmutableString {
        port.with(|port| port.state.name().into())
    }

    /// Why the port has its state: `syn-ack`, `conn-refused`, `no-response`, `script-set`…
    ///
    /// ```rhai
    /// assert_eq(port.reason, "syn-ack");
    /// ```
    #[rhai_fn(get = "reason", pure)]
    pub fn port_reason(port: &mut Port) -> ImmutableString {
        port.with(|port| port.reason.name().into())
    }

    /// The name of the service; empty when unknown. Looked up by number unless a script set it.
    ///
    /// ```rhai
    /// port.set_version(#{ name: "echo" });
    /// assert_eq(port.service, "echo");
    /// ```
    #[rhai_fn(get = "service", pure)]
    pub fn service(port: &mut Port) -> ImmutableString {
        port.with(|port| port.service.name.clone()).into()
    }

    /// What is known of the service: `#{ name, product, version, extra, tls }`; texts that are not known are `()`.
    ///
    /// ```rhai
    /// port.set_version(#{ name: "echo", product: "Loud", version: "1.2" });
    /// assert_eq(port.version.product, "Loud");
    /// assert_eq(port.version.extra, ());
    /// assert_eq(port.version.tls, false);
    /// ```
    #[rhai_fn(get = "version", pure)]
    pub fn version(port: &mut Port) -> Map {
        port.with(|port| {
            let service = &port.service;
            let texts = [
                ("name", &service.name),
                ("product", &service.product),
                ("version", &service.version),
                ("extra", &service.extra),
            ];
            let texts = texts.into_iter().map(|(name, text)| (name.into(), optional(Some(text.clone()))));
            texts.chain([("tls".into(), Dynamic::from(service.tls))]).collect()
        })
    }

    /// Tells the report that the port is `"open"` or `"closed"`; its reason becomes `script-set`.
    ///
    /// ```rhai
    /// port.set_state("closed");
    /// assert_eq([port.state, port.reason], ["closed", "script-set"]);
    /// ```
    #[rhai_fn(global, return_raw)]
    pub fn set_state(port: &mut Port, state: &str) -> Fallible<()> {
        port.report_state(state)
    }

    /// Tells the report what the service is: any of `name`, `product`, `version`, `extra` (text) and `tls` (bool). What
    /// is left out stays as it was.
    ///
    /// ```rhai
    /// port.set_version(#{ product: "Loud" });
    /// let kind = "";
    /// try { port.set_version(#{ prodcut: "Loud" }) } catch (error) { kind = error.kind }
    /// assert_eq(kind, "argument");
    /// ```
    #[rhai_fn(global, return_raw)]
    pub fn set_version(port: &mut Port, fields: Map) -> Fallible<()> {
        port.report_version(&fields)
    }

    /// Number and protocol, so that a port can stand in text: `${port}`.
    ///
    /// ```rhai
    /// assert_eq(`${port}`, `${port.number}/tcp`);
    /// ```
    #[rhai_fn(global, name = "to_string", name = "to_debug", pure)]
    pub fn print_port(port: &mut Port) -> String {
        port.with(|port| format!("{}/{}", port.number, port.protocol))
    }
}
