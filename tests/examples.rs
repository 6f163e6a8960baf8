//! Every example in the reference of the natives is the action of a real script instance: scheduler, broker, live
//! sockets on loopback.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use rhai::{Dynamic, Engine, EvalAltResult};
use sonde::bindings::host_scripts::Scripts;
use sonde::bindings::http::Cache;
use sonde::bindings::launch::Launcher;
use sonde::bindings::targets::Additions;
use sonde::bindings::{self, output, reference};
use sonde::model::{
    Capability, Host, HostState, Limits, Port, PortState, Protocol, Reason, ScriptOutcome, Service, Target, Totals,
};
use sonde::net::Network;
use sonde::net::broker::{Broker, Governor};
use sonde::net::live::{LivePackets, LiveTransport, Privileges};
use sonde::net::packets::Packets as _;
use sonde::net::resolver::{Hosts, Resolver, ResolverConfig};
use sonde::net::slots::{SlotLimits, Slots};
use sonde::net::warm::WarmStreams;
use sonde::runtime::{Random, Runtime};
use sonde::scan::scripts::{Known, ScriptStage};
use sonde::script::instance::Shared;
use sonde::script::registry::Registry;
use sonde::script::rules::RuleIndex;
use sonde::script::scheduler::Setup;
use sonde::script::{Arguments, Scheduler, Script, engine, wait};

use crate::loopback::{self, Ports};

/// The engine scripts run on, with the two assertions that examples use.
fn engine() -> Engine {
    let (mut engine, _) = engine::build(&[], Vec::new());
    bindings::register(&mut engine);
    engine.register_fn("assert", |holds: bool| -> Result<(), Box<EvalAltResult>> {
        if holds { Ok(()) } else { Err("assertion failed".into()) }
    });
    engine.register_fn("assert_eq", |left: Dynamic, right: Dynamic| -> Result<(), Box<EvalAltResult>> {
        let (left, right) = (format!("{left:?}"), format!("{right:?}"));
        if left == right { Ok(()) } else { Err(format!("{left} is not {right}").into()) }
    });
    engine
}

#[test]
fn every_example_of_the_reference_holds() {
    let engine = Rc::new(engine());
    let mut bare = Engine::new();
    bindings::register(&mut bare);
    let modules = reference::collect(&bare).expect("metadata is well-formed");
    let failed: Vec<String> = reference::examples(&modules)
        .into_iter()
        .filter(|(name, example)| !example.packets || can_capture(name))
        .filter_map(|(name, one)| run(&engine, &one.code).err().map(|error| format!("{name}: {error}\n\n{}", one.code)))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n----\n"));
}

/// Whether this process may capture. Where it may not, the example is named, and in CI that is a failure.
fn can_capture(name: &str) -> bool {
    let runtime = Runtime::live();
    let random = Random::new(Some(7));
    let packets = LivePackets::new(runtime.clock(), random, runtime.spawner(), Privileges::new(true));
    let Err(error) = packets.permitted() else { return true };
    assert!(std::env::var_os("CI").is_none(), "the example {name} cannot run: {error}");
    eprintln!("CANNOT RUN the example {name}: {error}");
    false
}

#[test]
fn an_example_that_does_not_hold_is_noticed() {
    let engine = Rc::new(engine());
    for wrong in ["assert_eq(host.ip, \"127.0.0.2\");", "assert(false);", "no_such::thing();", "let", "loop {}"] {
        assert!(run(&engine, wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_script_may_hold_megabytes_of_chunks() {
    let code = "let list = []; for n in 0..60 { list.push(blob(65536, 0)); } assert_eq(list.len(), 60);";
    assert_eq!(run(&Rc::new(engine()), code), Ok(()));
}

/// Two natives that panic: in the call, and in what the call waits for.
fn engine_that_panics() -> Engine {
    let mut engine = engine();
    // A panic as any other, but silent.
    engine.register_fn("panics", || -> () { std::panic::resume_unwind(Box::new("boom")) });
    engine.register_fn("panics_later", || {
        wait(async { std::panic::resume_unwind(Box::new("boom")) }).map(|()| "it came back")
    });
    engine
}

#[test]
fn a_native_that_panics_ends_its_worker_and_nothing_else() {
    let engine = Rc::new(engine_that_panics());
    let code = r#"
        let m = locks::mutex("m");
        for panics in [|| { locks::lock(m); panics() }, || { locks::lock(m); panics_later() }] {
            let other = worker::start(|| { worker::pause(); 7 });
            let w = worker::start(panics);
            let caught = ();
            try { worker::join(w) } catch (error) { caught = error }
            assert_eq(worker::status(w), "failed");
            assert(caught != ());
            assert_eq(worker::error(w), caught);
            assert_eq(worker::join(other), 7);
            assert(locks::try_lock(m));
            locks::done(m);
        }
    "#;
    assert_eq!(run(&engine, code), Ok(()));
    let code = r#"
        let message = "";
        try { worker::join(worker::start(|| panics())) } catch (error) { message = error.message }
        assert_eq(message, "a native function panicked: boom; please report it");
    "#;
    assert_eq!(run(&engine, code), Ok(()));
}

#[test]
fn a_native_that_panics_ends_its_script() {
    let engine = Rc::new(engine_that_panics());
    let code = "try { worker::start(|| worker::sleep(3600)); panics() } catch { }";
    let said = "a native function panicked: boom; please report it\n";
    assert_eq!(run(&engine, code), Err(said.to_owned()), "no script catches it");
}

#[test]
fn options_that_are_none_are_refused() {
    let engine = Rc::new(engine());
    for call in [
        "net::connect(host, port, #{ tls: 1 })",
        "net::connect(host, port, #{ timeuot: 1 })",
        "tls::inspect(host, port, #{ severname: false })",
        "port.set_version(#{ tls: `yes` })",
        "http::get(host, http_port, `/`, #{ folow: false })",
        "http::get(host, http_port, `/`, #{ auth: #{ user: `a` } })",
        "http::get(host, http_port, `/`, #{ auth: #{ digest: `yes` } })",
    ] {
        let code = format!(
            "let kind = ``; try {{ {call} }} catch (error) {{ kind = error.kind }} assert_eq(kind, `argument`);"
        );
        assert_eq!(run(&engine, &code), Ok(()), "{call}");
    }
}

/// Runs one example in a world of its own; the error is the record of the instance.
fn run(engine: &Rc<Engine>, code: &str) -> Result<(), String> {
    let runtime = Runtime::live();
    let (clock, random) = (runtime.clock(), Random::new(Some(7)));
    let transport = Rc::new(LiveTransport::new(clock.clone(), 100, Duration::from_secs(5)));
    let hosts = Hosts::parse("127.0.0.1 localhost\n");
    let config = ResolverConfig { hosts, ..ResolverConfig::default() };
    let names = Rc::new(Resolver::new(config, Rc::clone(&transport) as Rc<_>, clock.clone(), random.clone()));
    let packets = LivePackets::new(clock.clone(), random.derive("packets"), runtime.spawner(), Privileges::new(true));
    let packets = Rc::new(packets);
    let network = Network { clock, random, transport: Rc::clone(&transport) as Rc<_>, names, packets };
    runtime.run(async {
        let ports = loopback::start(&runtime, &*transport).await;
        let script = Rc::new(Script::load(engine, "example", "example.rhai", &source(code, ports))?);
        let launcher = Rc::new(launcher(engine, &script, network));
        let scheduler = launcher.scheduler.clone();
        let _scheduling = runtime.spawner().spawn(async move { scheduler.run().await });
        let host = host(ports.echo, &runtime);
        let known = Known { is_up: true, names: true };
        let scripts = Scripts(Rc::clone(&launcher)).begin(&host, known, &WarmStreams::default(), None);
        let host = scripts.finish(host).await;
        let done = BTreeMap::from([(ScriptOutcome::Done, 1)]);
        if launcher.totals.borrow().scripts.get("example") == Some(&done) {
            return Ok(());
        }
        let failures = host.port_scripts.iter().filter_map(|(_, result)| result.failure.as_ref());
        let lines: Vec<&str> = failures.flat_map(|failure| [failure.message.as_str(), &failure.diagnostic]).collect();
        Err(lines.join("\n"))
    })
}

/// The example as a script that declares everything there is.
fn source(code: &str, ports: Ports) -> String {
    let capabilities: Vec<String> = Capability::ALL.iter().map(|capability| format!("\"{capability}\"")).collect();
    format!(
        "const capabilities = [{}];\n\
         const args = #{{ depth: #{{ type: \"int\", default: 3, help: \"how deep\" }} }};\n\
         const portrule = #{{}};\n\
         fn action(host, port) {{ let udp_port = {}; let http_port = {};\n{code}\n}}\n",
        capabilities.join(", "),
        ports.udp_echo,
        ports.http
    )
}

fn launcher(engine: &Rc<Engine>, script: &Rc<Script>, network: Network) -> Launcher {
    let limits = Limits { operations: 1_000_000, operation_timeout: Duration::from_secs(5), ..Limits::default() };
    let shared = Shared {
        once: RefCell::default(),
        limits,
        arguments: Arguments::default(),
        ended: None,
        is_handle: bindings::host::is_handle,
        library_arguments: bindings::library_arguments(),
        registry: Registry::default(),
        verbosity: Rc::default(),
        log: Box::new(|_, _, _| {}),
    };
    let source = Rc::clone(&script.source);
    let scheduler = Scheduler::new(Setup {
        engine: Rc::clone(engine),
        clock: network.clock.clone(),
        max_instances: 10,
        shared: Rc::new(shared),
        convert: output::to_value,
        sources: Box::new(move |_| Some(Rc::clone(&source))),
    });
    let mut index = RuleIndex::default();
    index.add(script, false);
    let governor = Governor::new(network.clock.clone(), None);
    Launcher {
        scheduler,
        index,
        dependencies: BTreeMap::new(),
        broker: Broker::new(network, governor, Slots::new(SlotLimits::default()), None),
        limits,
        cache: Cache::default(),
        additions: Additions::default(),
        totals: Rc::new(RefCell::new(Totals::default())),
        faults: Cell::new(0),
        without_packets: None,
    }
}

/// 127.0.0.1 with one open port.
fn host(port: u16, runtime: &Runtime) -> Host {
    let target = Target { addr: [127, 0, 0, 1].into(), scope: 0, name: None };
    Host {
        state: HostState::Up,
        reason: Reason::UserSet,
        ports: vec![Port {
            protocol: Protocol::Tcp,
            number: port,
            state: PortState::Open,
            reason: Reason::SynAck,
            reason_ttl: 0,
            service: Service::default(),
        }],
        ..Host::new(target, runtime.clock().now())
    }
}
