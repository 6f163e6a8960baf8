//! The Rhai module `targets`: what scripts add to the scan.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;

use rhai::plugin::{NativeCallContext, export_module, exported_module};
use rhai::{Engine, INT, Module};

use super::fault::{ARGUMENT, Fallible, LIMIT, net_error, script_error};
use super::reach::Reach;
use crate::bindings::located;
use crate::model::Capability;

/// Addresses all scripts of a run may add together: four networks of 2^16.
const MOST: usize = 1 << 18;

/// Addresses that scripts added, on their way to the target list. Clones share them.
#[derive(Clone, Default)]
pub struct Additions(Rc<RefCell<Added>>);

#[derive(Default)]
struct Added {
    waiting: Vec<(IpAddr, u32)>,
    /// What a journal has not been told yet.
    fresh: Vec<(IpAddr, u32)>,
    /// Of the whole run.
    count: usize,
}

impl Additions {
    /// What was added since the last time: addresses, and the interface of those that mean nothing without one (0: none).
    pub fn take(&self) -> Vec<(IpAddr, u32)> {
        std::mem::take(&mut self.0.borrow_mut().waiting)
    }

    /// The same for whoever keeps a journal; what it takes stays on its way.
    pub fn take_fresh(&self) -> Vec<(IpAddr, u32)> {
        std::mem::take(&mut self.0.borrow_mut().fresh)
    }

    /// Puts back what scripts added in an earlier part of the run.
    pub fn restore(&self, addr: IpAddr, scope: u32) {
        let mut added = self.0.borrow_mut();
        added.count += 1;
        added.waiting.push((addr, scope));
    }

    fn add(&self, addr: IpAddr, scope: u32) -> Fallible<()> {
        let mut added = self.0.borrow_mut();
        if added.count == MOST {
            return Err(script_error(LIMIT, OP, format!("scripts add at most {MOST} targets to a run")));
        }
        added.count += 1;
        added.waiting.push((addr, scope));
        added.fresh.push((addr, scope));
        Ok(())
    }
}

const OP: &str = "targets::add";

/// Registers the module.
pub fn register(engine: &mut Engine) {
    let module: Module = located::module(&natives::RHAI_MANIFEST, exported_module!(natives));
    engine.register_static_module("targets", module.into());
}

fn add(call: &NativeCallContext<'_>, address: &str, scope: u32) -> Fallible<()> {
    let reach = Reach::of(call)?;
    reach.warrant.demand(Capability::AddTargets, OP, address).map_err(|error| net_error(&error))?;
    let addr = address.parse().map_err(|_| script_error(ARGUMENT, OP, format!("\"{address}\" is no address")))?;
    reach.additions.add(addr, scope)
}

/// Addresses for the scan to take up. Takes the capability `add-targets`.
#[export_module(manifest)]
mod natives {
    /// Scans an address, too: what a prerule adds with the targets of the command line, what comes later after them. One
    /// that is a target already is not scanned again, and one that is excluded not at all.
    ///
    /// ```rhai
    /// targets::add("127.0.0.1");
    /// ```
    #[rhai_fn(name = "add", return_raw)]
    pub fn add_address(call: NativeCallContext, address: &str) -> Fallible<()> {
        super::add(&call, address, 0)
    }

    /// The same for a link-local IPv6 address, which takes the number of its interface.
    #[rhai_fn(name = "add", return_raw)]
    pub fn add_scoped(call: NativeCallContext, address: &str, interface: INT) -> Fallible<()> {
        let scope = u32::try_from(interface);
        let scope = scope.map_err(|_| script_error(ARGUMENT, OP, format!("{interface} is no interface's number")))?;
        super::add(&call, address, scope)
    }
}
