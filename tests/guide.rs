//! The documentation of scripts is true: the reference is the one the natives give, and the guide's scripts compile, its
//! complete ones load, and its console blocks show what the program prints.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use rhai::Engine;
use sonde::bindings::{self, reference};
use sonde::net::live::LiveTransport;
use sonde::runtime::{Random, Runtime};
use sonde::script::{Script, engine};

use crate::loopback;

const GUIDE: &str = include_str!("../docs/SCRIPTING.md");

/// Ports the guide shows for the web server and the echo server of [`loopback`].
const SHOWN_PORTS: [&str; 2] = ["8080", "7007"];

#[test]
fn the_reference_is_up_to_date() {
    let mut engine = Engine::new();
    bindings::register(&mut engine);
    let expected = reference::markdown(&reference::collect(&engine).expect("metadata is well-formed"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/API.md");
    if std::env::var_os("SONDE_ACCEPT").is_some() {
        std::fs::write(&path, &expected).expect("docs/API.md is writable");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let first_difference = found.lines().zip(expected.lines()).position(|(found, expected)| found != expected);
    assert!(
        found == expected,
        "docs/API.md is stale from line {}: run SONDE_ACCEPT=1 cargo test the_reference",
        first_difference.unwrap_or(found.lines().count().min(expected.lines().count())) + 1
    );
}

/// A fenced block: its language, what follows the language, its text.
struct Block {
    language: String,
    title: String,
    text: String,
}

fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in markdown.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (Some(_), Some("")) => blocks.extend(open.take()),
            (Some(block), _) => block.text.extend([line, "\n"]),
            (None, Some(info)) => {
                let (language, title) = info.split_once(' ').unwrap_or((info, ""));
                open = Some(Block { language: language.into(), title: title.into(), text: String::new() });
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

fn engine() -> Engine {
    let (mut engine, _) = engine::build(&[], Vec::new());
    bindings::register(&mut engine);
    engine
}

#[test]
fn the_guides_scripts_compile() {
    let engine = engine();
    let scripts: Vec<Block> = blocks(GUIDE).into_iter().filter(|block| block.language == "rhai").collect();
    assert!(scripts.len() > 10, "the guide has lost its scripts");
    for block in &scripts {
        if block.text.contains("fn action(") {
            Script::load(&engine, "example", "SCRIPTING.md", &block.text).map_or_else(|e| panic!("{e}"), drop);
        } else {
            // A part of a script: what a rule or action would have in scope is given here.
            let part = format!("fn part(host, port, sock) {{\n{}\n}}", block.text);
            let whole =
                if block.text.contains("fn ") || block.text.starts_with("const ") { &block.text } else { &part };
            engine.compile(whole).map_or_else(|error| panic!("{error}\n{}", block.text), drop);
        }
    }
}

#[test]
fn the_guides_broken_scripts_are_refused() {
    let engine = engine();
    let broken: Vec<Block> = blocks(GUIDE).into_iter().filter(|block| block.language == "rhai,broken").collect();
    for block in broken {
        assert!(Script::load(&engine, "example", "SCRIPTING.md", &block.text).is_err(), "{}", block.text);
    }
}

#[test]
fn the_guides_console_blocks_are_what_sonde_prints() {
    let consoles: Vec<Block> = blocks(GUIDE).into_iter().filter(|block| block.language == "console").collect();
    assert!(consoles.len() > 5, "the guide has lost its console blocks");
    let runtime = Runtime::live();
    let transport = LiveTransport::new(runtime.clock(), 100, Duration::from_secs(5));
    let wrong: Vec<String> = runtime.run(async {
        let ports = loopback::start(&runtime, &transport).await;
        let real = [ports.http.to_string(), ports.echo.to_string()];
        let real = real.each_ref().map(String::as_str);
        let folder = Folder::new();
        for block in blocks(GUIDE).iter().filter(|block| !block.title.is_empty()) {
            let script = exchange(&block.text, &SHOWN_PORTS, &real);
            std::fs::write(folder.0.join(&block.title), script).expect("the folder is writable");
        }
        write_cases(&folder.0);
        let mut wrong = Vec::new();
        for block in consoles {
            let (command, shown) = block.text.split_once('\n').unwrap_or_default();
            let arguments = command.strip_prefix("$ sonde ").expect("a console block starts with `$ sonde `");
            let printed = run(&folder.0, exchange(arguments, &SHOWN_PORTS, &real)).await;
            let printed = exchange(&printed, &real, &SHOWN_PORTS);
            if let Err(line) = compare(shown, &printed) {
                wrong.push(format!("{command}\nnot found in this order: {line}\n\nprinted:\n{printed}"));
            }
        }
        wrong
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n----\n"));
}

/// Two cases of a shipped script in `cases/`, of one of which something else is expected than the script says.
fn write_cases(folder: &Path) {
    for case in ["found", "silent"] {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/scripts/http-title").join(case);
        let to = folder.join("cases/http-title").join(case);
        std::fs::create_dir_all(&to).expect("the folder is writable");
        for entry in std::fs::read_dir(from).expect("a shipped case").flatten() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).expect("the folder is writable");
        }
    }
    let expected = folder.join("cases/http-title/found/expected.txt");
    let text = std::fs::read_to_string(&expected).expect("a text").replace("The corner shop", "Another shop");
    std::fs::write(expected, text).expect("the folder is writable");
}

/// `text` with the ports `old` replaced by `new`, by way of marks, as one port may look like a part of another.
fn exchange(text: &str, old: &[&str; 2], new: &[&str; 2]) -> String {
    let marks = ["\u{1}", "\u{2}"];
    let marked = old.iter().zip(marks).fold(text.to_owned(), |text, (old, mark)| text.replace(old, mark));
    marks.iter().zip(new).fold(marked, |text, (mark, new)| text.replace(mark, new))
}

/// Runs the built program while the servers of this thread serve; what it prints, first on stdout, then on stderr.
async fn run(folder: &Path, arguments: String) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sonde"));
    command.args(words(&arguments)).current_dir(folder);
    let done: Arc<Mutex<(Option<String>, Option<Waker>)>> = Arc::default();
    let finished = Arc::clone(&done);
    let thread = std::thread::spawn(move || {
        let output = command.output().expect("the program starts");
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        let mut state = finished.lock().expect("nobody panicked");
        state.0 = Some(text.into_owned());
        if let Some(waker) = state.1.take() {
            waker.wake();
        }
    });
    let text = std::future::poll_fn(|cx| {
        let mut state = done.lock().expect("nobody panicked");
        state.1 = Some(cx.waker().clone());
        state.0.take().map_or(Poll::Pending, Poll::Ready)
    })
    .await;
    thread.join().expect("it is done");
    text
}

/// The words of a command line; single quotes hold words together.
fn words(line: &str) -> Vec<String> {
    let parts = line.split('\'').enumerate();
    let words = parts.flat_map(|(at, part)| {
        if at % 2 == 1 { vec![part.to_owned()] } else { part.split_whitespace().map(str::to_owned).collect() }
    });
    words.collect()
}

/// Whether `printed` is `shown`, which may leave lines out with `…`; the error is the first line that does not come.
fn compare(shown: &str, printed: &str) -> Result<(), String> {
    let mut printed = printed.lines().map(plain).filter(|line| !line.is_empty());
    let mut any_number = false;
    for line in shown.lines().map(plain).filter(|line| !line.is_empty()) {
        if line == "…" {
            any_number = true;
            continue;
        }
        let found =
            if any_number { printed.any(|other| other == line) } else { printed.next().as_ref() == Some(&line) };
        if !found {
            return Err(line);
        }
        any_number = false;
    }
    let left = if any_number { None } else { printed.next() };
    left.map_or(Ok(()), |line| Err(format!("the end, but {line}")))
}

/// A line without what differs from run to run: widths of columns, dates, times, the service usual at a port.
fn plain(line: &str) -> String {
    let mut words: Vec<&str> = line.split_whitespace().collect();
    let is_time = |word: &str| word.trim_start_matches('(').trim_end_matches('s').parse::<f64>().is_ok();
    for at in 0..words.len() {
        let before_unit = words.get(at + 1).is_some_and(|next| ["seconds", "latency)."].contains(next));
        if before_unit && is_time(words[at]) {
            words[at] = "#";
        }
    }
    match words.as_mut_slice() {
        ["Starting", "sonde", rest @ ..] => rest.fill("#"),
        [port, "open", service] if port.ends_with("/tcp") => *service = "#",
        _ => {}
    }
    words.join(" ")
}

/// A folder of this test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        let name = format!("guide-{}-{}", std::process::id(), Random::new(None).below(1 << 40));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).expect("the folder for temporary files is writable");
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn every_kind_of_error_is_in_the_guide() {
    use sonde::bindings::fault;
    use sonde::model::NetErrorKind;
    let of_net = NetErrorKind::ALL.map(NetErrorKind::name);
    let all = of_net.into_iter().chain([fault::PROTOCOL, fault::ARGUMENT, fault::LIMIT]);
    let missing: Vec<&str> = all.filter(|kind| !GUIDE.contains(&format!("| `{kind}` |"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_capability_category_and_argument_type_is_in_the_guide() {
    use sonde::model::Capability;
    use sonde::script::header::CATEGORIES;
    let types = ["string", "int", "float", "bool", "duration", "list", "table"];
    let words = Capability::ALL.map(Capability::name).into_iter().chain(CATEGORIES).chain(types);
    let missing: Vec<&str> = words.filter(|word| !GUIDE.contains(&format!("`{word}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Every `module::name` of ours that the guide mentions exists, so that the table of NSE's names leads somewhere.
#[test]
fn every_native_the_guide_mentions_exists() {
    let mut engine = Engine::new();
    bindings::register(&mut engine);
    let modules = Rc::new(reference::collect(&engine).expect("metadata is well-formed"));
    let known = |module: &str, name: &str| {
        modules.iter().any(|doc| !doc.is_type && doc.name == module)
            && modules.iter().flat_map(|doc| &doc.functions).any(|f| f.name == format!("{module}::{name}"))
    };
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut missing = Vec::new();
    for (at, _) in GUIDE.match_indices("::") {
        let module: String = GUIDE[..at].chars().rev().take_while(|c| is_word(*c)).collect();
        let module: String = module.chars().rev().collect();
        let name: String = GUIDE[at + 2..].chars().take_while(|c| is_word(*c)).collect();
        let is_ours = modules.iter().any(|doc| !doc.is_type && doc.name == module);
        if is_ours && !name.is_empty() && !known(&module, &name) {
            missing.push(format!("{module}::{name}"));
        }
    }
    assert!(missing.is_empty(), "{missing:?}");
}
