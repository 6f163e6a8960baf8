//! The script engine alone, in this process: what one instance, one wait and one operation cost.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_lite::future::yield_now;
use rhai::{Engine, EvalAltResult, Module, Scope};
use sonde::bindings;
use sonde::model::{Limits, RuleKind, ScriptOutcome, ScriptResult, Usage};
use sonde::runtime::{Runtime, Threads};
use sonde::script::instance::Shared;
use sonde::script::registry::Registry;
use sonde::script::scheduler::{Group, Setup};
use sonde::script::{Arguments, Catalogue, Job, Scheduler, Script, engine};

use super::figures::{Series, Unit};
use super::table::{Goal, Table};
use super::{Bench, Failure};

const ROUNDS: usize = 7;
/// Instances in one round.
const INSTANCES: usize = 20_000;
/// Waits of one instance in one round; the same number is in the scripts below.
const WAITS: usize = 100_000;

/// The scripts. `bench::` has natives of this file; the loops differ in one call only.
const SCRIPTS: &[(&str, &str)] = &[
    ("nothing.rhai", "const prerule = true;\nfn action() {\n}\n"),
    ("native.rhai", "const prerule = true;\nfn action() {\n for i in 0..100000 { bench::nothing(); }\n}\n"),
    ("ready.rhai", "const prerule = true;\nfn action() {\n for i in 0..100000 { bench::ready(); }\n}\n"),
    ("woken.rhai", "const prerule = true;\nfn action() {\n for i in 0..100000 { bench::woken(); }\n}\n"),
    ("compute.rhai", COMPUTE),
];

const COMPUTE: &str = "const prerule = true;
fn action() {
    let hash = 7;
    for i in 0..500000 {
        hash = (hash * 31 + i) % 65521;
        if hash % 3 == 0 { hash += 1; }
    }
    hash
}
";

pub fn measure(_: &Bench, table: &mut Table) -> Result<(), Failure> {
    let lab = Lab::new();
    let mut instances = Series::new(Unit::Seconds);
    let [mut native, mut ready, mut woken] = [(); 3].map(|()| Series::new(Unit::Seconds));
    let mut operations = Series::new(Unit::PerSecond);
    let count = operations_of(COMPUTE)?;
    for _ in 0..ROUNDS {
        instances.push(lab.time("nothing", INSTANCES)?.as_secs_f64() / INSTANCES as f64);
        for (id, series) in [("native", &mut native), ("ready", &mut ready), ("woken", &mut woken)] {
            series.push(lab.time(id, 1)?.as_secs_f64() / WAITS as f64);
        }
        operations.push(count as f64 / lab.time("compute", 1)?.as_secs_f64());
    }
    table.row("create, run, end an instance", "sonde", &instances, &Goal::None);
    table.row("suspend and resume, result is ready", "sonde", &ready.minus(&native), &Goal::None);
    table.row("suspend, wake, resume", "sonde", &woken.minus(&native), &Goal::None);
    table.row("operations of a computing script", "sonde", &operations, &Goal::None);
    Ok(())
}

/// How many operations a script takes, by Rhai's own count.
fn operations_of(source: &str) -> Result<u64, Failure> {
    let (mut rhai, _) = engine::build(&[], Vec::new());
    let count = Rc::new(Cell::new(0));
    let seen = Rc::clone(&count);
    rhai.on_progress(move |operations| {
        seen.set(operations);
        None
    });
    let ast = rhai.compile(source)?;
    rhai.call_fn::<i64>(&mut Scope::new(), &ast, "action", ())?;
    Ok(count.get())
}

/// The engine with all natives, and the scripts above.
struct Lab {
    engine: Rc<Engine>,
    catalogue: Catalogue,
}

impl Lab {
    fn new() -> Lab {
        let (mut rhai, _) = engine::build(&[], Vec::new());
        bindings::register(&mut rhai);
        rhai.register_static_module("bench", natives().into());
        let engine = Rc::new(rhai);
        Lab { catalogue: Catalogue::new(Rc::clone(&engine), SCRIPTS), engine }
    }

    /// Time from planning so many instances of a script to the last one's record.
    fn time(&self, id: &str, instances: usize) -> Result<Duration, Failure> {
        let script = self.catalogue.get(id).ok_or_else(|| format!("the script {id} does not load"))?;
        let runtime = Runtime::live();
        let scheduler = self.scheduler(&runtime);
        let background = scheduler.clone();
        let scheduling = runtime.spawner().spawn(async move { background.run().await });
        let records: Rc<RefCell<Vec<ScriptResult>>> = Rc::default();
        let started = Instant::now();
        for _ in 0..instances {
            let records = Rc::clone(&records);
            let sink = Box::new(move |record| records.borrow_mut().push(record));
            scheduler.submit(job(&script), &Group::default(), sink);
        }
        runtime.run(async {
            while records.borrow().len() < instances {
                yield_now().await;
            }
        });
        let elapsed = started.elapsed();
        drop(scheduling);
        match records.borrow().iter().find(|record| record.outcome != ScriptOutcome::Done) {
            None => Ok(elapsed),
            Some(record) => Err(format!("{id}: {:?} {:?}", record.outcome, record.failure).into()),
        }
    }

    fn scheduler(&self, runtime: &Runtime) -> Scheduler {
        let shared = Shared {
            once: RefCell::default(),
            limits: Limits::default(),
            arguments: Arguments::default(),
            library_arguments: Vec::new(),
            registry: Registry::default(),
            verbosity: (0, 0),
            log: Box::new(|_, _, _| {}),
        };
        Scheduler::new(Setup {
            engine: Rc::clone(&self.engine),
            clock: runtime.clock(),
            max_instances: 10_000,
            shared: Rc::new(shared),
            convert: bindings::output::to_value,
            sources: Box::new(|_| None),
        })
    }
}

fn job(script: &Rc<Script>) -> Job {
    Job {
        script: Rc::clone(script),
        rule: RuleKind::Pre,
        ask: false,
        arguments: Vec::new(),
        subject: String::new(),
        reach: Rc::new(()),
        usage: Rc::new(Usage::default()),
        threads: Threads::default(),
        host_registry: Registry::default(),
    }
}

type Fallible = Result<(), Box<EvalAltResult>>;

fn natives() -> Module {
    let mut module = Module::new();
    module.set_native_fn("nothing", || -> Fallible { Ok(()) });
    module.set_native_fn("ready", || -> Fallible { sonde::script::wait(async {}) });
    module.set_native_fn("woken", || -> Fallible { sonde::script::wait(yield_now()) });
    module
}
