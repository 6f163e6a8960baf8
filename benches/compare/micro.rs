//! What one instance, one wait and one operation of a script cost.

use std::cell::Cell;
use std::rc::Rc;

use rhai::Scope;
use sonde::script::engine;

use super::figures::{Series, Unit};
use super::lab::Lab;
use super::table::{Goal, Table};
use super::{Bench, Failure};

const ROUNDS: usize = 7;
/// Instances in one round.
const INSTANCES: usize = 20_000;
/// Waits of one instance in one round; the same number is in the scripts below.
const WAITS: usize = 100_000;

/// The loops differ in one call only.
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
    let lab = Lab::new(SCRIPTS);
    let time = |id, instances| lab.run(id, instances).map(|ran| ran.elapsed.as_secs_f64());
    let mut instances = Series::new(Unit::Seconds);
    let [mut native, mut ready, mut woken] = [(); 3].map(|()| Series::new(Unit::Seconds));
    let mut operations = Series::new(Unit::PerSecond);
    let count = operations_of(COMPUTE)?;
    for _ in 0..ROUNDS {
        instances.push(time("nothing", INSTANCES)? / INSTANCES as f64);
        for (id, series) in [("native", &mut native), ("ready", &mut ready), ("woken", &mut woken)] {
            series.push(time(id, 1)? / WAITS as f64);
        }
        operations.push(count as f64 / time("compute", 1)?);
    }
    table.row("create, run, end an instance", "sonde", &instances, &Goal::None);
    let switch = "context switch script -> engine -> script";
    table.row(switch, "sonde, result is ready", &ready.minus(&native), &Goal::AtMost(1e-6));
    table.row(switch, "sonde, through a wake-up", &woken.minus(&native), &Goal::AtMost(1e-6));
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
