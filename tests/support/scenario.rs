//! The network of a scenario under virtual time, and whole scans of it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use sonde::model::{Event, Host, Timestamp};
use sonde::net::broker::Governor;
use sonde::net::sim::{self, Scenario, World};
use sonde::net::{Family, Network};
use sonde::runtime::{Random, Runtime};
use sonde::scan::connect;
use sonde::scan::pipeline::{NamePolicy, Summary};
use sonde::scan::presence::Presence;
use sonde::scan::prober::{Manner, Pace, Prober};
use sonde::scan::{HostPlan, Pipeline};
use sonde::target::{Exclude, Spec, Targets};

/// A network that exists only in a scenario.
pub struct Simulated {
    pub runtime: Runtime,
    pub network: Network,
    /// It knows the truth.
    pub world: Rc<World>,
    governor: Governor,
}

/// What a scan came to.
pub struct Scanned {
    /// Hosts in the order they were done.
    pub hosts: Vec<Host>,
    /// What was counted.
    pub summary: Summary,
    /// On the virtual clock.
    pub took: Duration,
}

impl Simulated {
    /// The network of `scenario`, text in TOML, as `random` has it.
    pub fn new(scenario: &str, random: &Random) -> Simulated {
        let runtime = Runtime::simulated(Timestamp(0));
        let scenario = Scenario::parse(scenario).expect("the scenario is right");
        let (network, world) = sim::network(scenario, &runtime, random);
        let governor = Governor::new(runtime.clock(), None);
        Simulated { runtime, network, world, governor }
    }

    /// Sends packets at `-T3`.
    pub fn prober(&self, manner: Manner) -> Prober {
        let (network, spawner) = (self.network.clone(), self.runtime.spawner());
        let opening = Prober::open(network, spawner, self.governor.clone(), Pace::default(), manner);
        self.runtime.run_until_stalled(opening).expect("it opens").expect("packets are possible")
    }

    /// A plan that takes every host for present and asks nothing of it.
    pub fn plan(&self) -> HostPlan {
        HostPlan {
            network: self.network.clone(),
            spawner: self.runtime.spawner(),
            pace: connect::Pace {
                timeout: Duration::from_secs(3),
                retries: 1,
                per_host: 512,
                total: usize::MAX,
                delay: Duration::ZERO,
                governor: self.governor.clone(),
                in_flight: Rc::default(),
                probed: Rc::default(),
            },
            prober: None,
            presence: Presence::Assumed,
            ports: [].into(),
            scans: Vec::new(),
            routes: None,
            reverse_names: false,
            reverse_down: false,
            host_timeout: None,
            fold: Box::new(|ports| (ports, Vec::new())),
            scripts: None,
        }
    }

    /// Scans `targets`, for no longer than `limit` by the virtual clock.
    pub fn scan(&self, plan: HostPlan, targets: &[&str], limit: Option<Duration>) -> Scanned {
        let hosts = Rc::new(RefCell::new(Vec::new()));
        let seen = Rc::clone(&hosts);
        let emit = move |event| {
            if let Event::Host(host) = event {
                seen.borrow_mut().push(*host);
            }
        };
        let pipeline = Pipeline::new(plan, NamePolicy { family: Family::Any, all: false }, Rc::new(emit));
        let (exclude, _) = Exclude::new(Vec::new());
        let specs = targets.iter().map(|target| Spec::parse(target).expect("a target")).collect();
        let mut targets = Targets::new(specs, exclude);
        let (clock, scanning) = (self.runtime.clock(), pipeline.run(&mut targets));
        let limited = async {
            match limit {
                Some(limit) => _ = clock.before(clock.now().plus(limit), scanning).await,
                None => scanning.await,
            }
        };
        self.runtime.run_until_stalled(limited).expect("the scan ends");
        let summary = pipeline.summary().borrow().clone();
        Scanned { hosts: hosts.take(), summary, took: clock.now().since(Timestamp(0)) }
    }
}
