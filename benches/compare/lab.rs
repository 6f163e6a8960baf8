//! The script engine alone, in this process, with natives of the bench's own (`bench::…`).

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_lite::future::yield_now;
use rhai::{Engine, EvalAltResult, Module};
use sonde::bindings;
use sonde::model::{Limits, RuleKind, ScriptOutcome, ScriptResult, Usage};
use sonde::runtime::{Runtime, Threads};
use sonde::script::instance::Shared;
use sonde::script::registry::Registry;
use sonde::script::scheduler::{Group, Setup};
use sonde::script::{Arguments, Catalogue, Job, Scheduler, Script, engine};

use super::Failure;

/// The engine with all natives, and some scripts.
pub struct Lab {
    engine: Rc<Engine>,
    catalogue: Catalogue,
    marks: Rc<RefCell<Vec<Instant>>>,
}

/// What running a script came to.
pub struct Ran {
    /// From planning the first instance to the last one's record.
    pub elapsed: Duration,
    /// When the scripts called `bench::mark()`.
    pub marks: Vec<Instant>,
    /// When the last record was there.
    pub ended: Instant,
}

impl Lab {
    /// Scripts by file name; each has a prerule.
    pub fn new(scripts: &'static [(&'static str, &'static str)]) -> Lab {
        let (mut rhai, _) = engine::build(&[], Vec::new());
        let marks = Rc::default();
        bindings::register(&mut rhai);
        rhai.register_static_module("bench", natives(&marks).into());
        let engine = Rc::new(rhai);
        Lab { catalogue: Catalogue::new(Rc::clone(&engine), scripts), engine, marks }
    }

    /// Runs so many instances of a script, all of which may be alive at once.
    pub fn run(&self, id: &str, instances: usize) -> Result<Ran, Failure> {
        let script = self.catalogue.get(id).ok_or_else(|| format!("the script {id} does not load"))?;
        let runtime = Runtime::live();
        let scheduler = self.scheduler(&runtime);
        let background = scheduler.clone();
        let scheduling = runtime.spawner().spawn(async move { background.run().await });
        self.marks.take();
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
        let ended = Instant::now();
        drop(scheduling);
        match records.borrow().iter().find(|record| record.outcome != ScriptOutcome::Done) {
            None => Ok(Ran { elapsed: ended - started, marks: self.marks.take(), ended }),
            Some(record) => Err(format!("{id}: {:?} {:?}", record.outcome, record.failure).into()),
        }
    }

    fn scheduler(&self, runtime: &Runtime) -> Scheduler {
        let shared = Shared {
            once: RefCell::default(),
            limits: Limits::default(),
            arguments: Arguments::default(),
            ended: None,
            is_handle: bindings::host::is_handle,
            library_arguments: Vec::new(),
            registry: Registry::default(),
            verbosity: std::rc::Rc::default(),
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

type Fallible<T> = Result<T, Box<EvalAltResult>>;

fn natives(marks: &Rc<RefCell<Vec<Instant>>>) -> Module {
    let mut module = Module::new();
    module.set_native_fn("nothing", || -> Fallible<()> { Ok(()) });
    module.set_native_fn("ready", || -> Fallible<()> { sonde::script::wait(async {}) });
    module.set_native_fn("woken", || -> Fallible<()> { sonde::script::wait(yield_now()) });
    let (mark, count) = (Rc::clone(marks), Rc::clone(marks));
    module.set_native_fn("mark", move || -> Fallible<()> {
        mark.borrow_mut().push(Instant::now());
        Ok(())
    });
    module.set_native_fn("marks", move || -> Fallible<i64> { Ok(count.borrow().len() as i64) });
    module
}
