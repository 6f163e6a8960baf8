//! The values `host` and `port` that rules and actions get.

use std::cell::{Ref, RefCell};
use std::rc::Rc;

use rhai::{Array, Dynamic, Engine, ImmutableString, Map};

use super::fault::{ARGUMENT, Fallible, script_error};
use crate::model::nearest::suggestion;
use crate::model::{Host, PortState, Reason};
use crate::script::registry::Registry;

/// A host under scan, shared by all scripts that run on it.
#[derive(Clone)]
pub struct HostValue(Rc<HostCell>);

struct HostCell {
    host: RefCell<Host>,
    registry: Registry,
}

/// One port of such a host.
#[derive(Clone)]
pub struct PortValue {
    host: HostValue,
    index: usize,
}

impl HostValue {
    /// Shares `host` with scripts.
    pub fn new(host: Host) -> HostValue {
        HostValue(Rc::new(HostCell { host: RefCell::new(host), registry: Registry::default() }))
    }

    /// What is known of it now.
    pub fn borrow(&self) -> Ref<'_, Host> {
        self.0.host.borrow()
    }

    /// Values its scripts share.
    pub fn registry(&self) -> Registry {
        self.0.registry.clone()
    }

    /// Its `index`th port.
    pub fn port(&self, index: usize) -> PortValue {
        PortValue { host: self.clone(), index }
    }

    /// What is known of it, with what scripts added.
    pub fn to_host(&self) -> Host {
        self.0.host.borrow().clone()
    }
}

impl PortValue {
    /// The port's number.
    pub fn number(&self) -> u16 {
        self.with(|port| port.number)
    }

    /// Whether what is known of the service says TLS.
    pub fn speaks_tls(&self) -> bool {
        self.with(|port| port.service.tls || port.service.name.starts_with("https"))
    }

    fn with<T: Default>(&self, read: impl FnOnce(&crate::model::Port) -> T) -> T {
        self.host.borrow().ports.get(self.index).map(read).unwrap_or_default()
    }

    fn change(&self, write: impl FnOnce(&mut crate::model::Port)) {
        if let Some(port) = self.host.0.host.borrow_mut().ports.get_mut(self.index) {
            write(port);
        }
    }

    fn set_state(&self, state: &str) -> Fallible<()> {
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

    fn set_version(&self, fields: Map) -> Fallible<()> {
        const KNOWN: [&str; 5] = ["name", "product", "version", "extra", "tls"];
        if let Some(unknown) = fields.keys().find(|key| !KNOWN.contains(&key.as_str())) {
            let message = format!("unknown field \"{unknown}\"{}", suggestion(unknown, KNOWN));
            return Err(script_error(ARGUMENT, "port.set_version", message));
        }
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
            service.tls = fields.get("tls").and_then(|tls| tls.as_bool().ok()).unwrap_or(service.tls);
        });
        Ok(())
    }
}

/// Text, or unit where there is none.
fn optional(text: Option<String>) -> Dynamic {
    text.filter(|text| !text.is_empty()).map_or(Dynamic::UNIT, Dynamic::from)
}

/// Registers both types with their fields.
pub fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<HostValue>("Host")
        .register_get("ip", |host: &mut HostValue| host.borrow().target.addr.to_string())
        .register_get("name", |host: &mut HostValue| optional(host.borrow().names.first().cloned()))
        .register_get("targetname", |host: &mut HostValue| optional(host.borrow().target.name.clone()))
        .register_get("reason", |host: &mut HostValue| host.borrow().reason.name())
        .register_get("registry", |host: &mut HostValue| host.registry())
        .register_get("times", host_times)
        .register_fn("ports", host_ports)
        .register_fn("port", host_port)
        .register_fn("to_string", |host: &mut HostValue| host.borrow().target.addr.to_string())
        .register_fn("to_debug", |host: &mut HostValue| format!("Host({})", host.borrow().target.addr));
    engine
        .register_type_with_name::<PortValue>("Port")
        .register_get("number", |port: &mut PortValue| i64::from(port.number()))
        .register_get("protocol", |port: &mut PortValue| port.with(|port| port.protocol.name()))
        .register_get("state", |port: &mut PortValue| port.with(|port| port.state.name()))
        .register_get("reason", |port: &mut PortValue| port.with(|port| port.reason.name()))
        .register_get("service", |port: &mut PortValue| port.with(|port| port.service.name.clone()))
        .register_get("version", port_version)
        .register_fn("set_state", |port: &mut PortValue, state: &str| port.set_state(state))
        .register_fn("set_version", |port: &mut PortValue, fields: Map| port.set_version(fields))
        .register_fn("to_string", |port: &mut PortValue| port.with(|p| format!("{}/{}", p.number, p.protocol)))
        .register_fn("to_debug", |port: &mut PortValue| port.with(|p| format!("Port({}/{})", p.number, p.protocol)));
}

/// `#{ srtt }` in seconds; empty before the first answer.
fn host_times(host: &mut HostValue) -> Map {
    let srtt = host.borrow().srtt;
    srtt.map(|srtt| ("srtt".into(), Dynamic::from(srtt.as_secs_f64()))).into_iter().collect()
}

fn host_ports(host: &mut HostValue) -> Array {
    let count = host.borrow().ports.len();
    (0..count).map(|index| Dynamic::from(host.port(index))).collect()
}

/// The port of that number and protocol; unit if it was not scanned or is not worth listing.
fn host_port(host: &mut HostValue, number: i64, protocol: ImmutableString) -> Dynamic {
    let index = host
        .borrow()
        .ports
        .iter()
        .position(|port| i64::from(port.number) == number && port.protocol.name() == protocol.as_str());
    index.map_or(Dynamic::UNIT, |index| Dynamic::from(host.port(index)))
}

fn port_version(port: &mut PortValue) -> Map {
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
