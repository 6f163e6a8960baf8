//! With and without the right to send packets: what runs, what is skipped, who the process is.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::cannot_run;
use crate::support::dir::copy;
use crate::support::sonde::{PROGRAM, Report, Run, Sonde, scan};

/// A user who owns nothing.
const NOBODY: &str = "65534";

/// A folder that every user may enter and write, with the scripts of these tests and the program.
struct Shared(PathBuf);

impl Shared {
    fn new(test: &str) -> Shared {
        let folder = std::env::temp_dir().join(format!("sonde-{}-{test}", std::process::id()));
        fs::create_dir_all(&folder).expect("there is room for temporary files");
        let shared = Shared(folder);
        for (name, capability) in [("needs-raw", "raw"), ("needs-capture", "capture"), ("needs-none", "tcp")] {
            let source = format!(
                "/// Says that it ran.\nconst hostrule = true;\nconst capabilities = [\"{capability}\"];\n\
                 fn action(host) {{ \"ran\" }}\n"
            );
            fs::write(shared.join(&format!("{name}.rhai")), source).expect("it is ours");
        }
        copy(PROGRAM.as_ref(), &shared.join("sonde"));
        open_to_all(&shared.0);
        shared
    }

    fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn shown(&self, name: &str) -> String {
        self.join(name).display().to_string()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn open_to_all(folder: &Path) {
    fs::set_permissions(folder, Permissions::from_mode(0o777)).expect("it is ours");
}

/// Whether the test runs as root with these programs; says loudly if not.
fn can_run(programs: &[&str]) -> bool {
    let lacks = programs.iter().find(|program| Command::new(program).arg("--help").output().is_err());
    if let Some(lacking) = lacks {
        cannot_run(&format!("{lacking} is not installed"));
    } else if !rustix::process::geteuid().is_root() {
        cannot_run("it needs root");
    }
    lacks.is_none() && rustix::process::geteuid().is_root()
}

/// A scan of one closed port of 127.0.0.1 with the three scripts, by a program run in some way.
fn arguments(shared: &Shared) -> Vec<String> {
    let mut words: Vec<String> = ["-n", "--json", "-Pn", "-p", "1"].map(str::to_owned).into();
    for name in ["needs-raw", "needs-capture", "needs-none"] {
        words.extend(["--script".to_owned(), shared.shown(&format!("{name}.rhai"))]);
    }
    words.push("127.0.0.1".to_owned());
    words
}

fn outcomes(report: &Report) -> [&str; 3] {
    ["needs-raw", "needs-capture", "needs-none"].map(|id| report.script(id)["outcome"].as_str().unwrap_or_default())
}

const ALL: [&str; 3] = ["done"; 3];
const SOME: [&str; 3] = ["skipped", "skipped", "done"];

/// One line about packets, and the scripts that need them are skipped with the reason.
fn expect_skipped(run: Run, why: &str) {
    let run = run.expect(3);
    let told: Vec<&str> = run.stderr.lines().filter(|line| line.contains("packets")).collect();
    assert_eq!(told.len(), 1, "{}", run.stderr);
    assert!(told[0].contains(why) && told[0].contains("needs-raw, needs-capture"), "{}", told[0]);
    let report = run.report();
    assert_eq!(outcomes(&report), SOME);
    let failure = &report.script("needs-raw")["failure"];
    assert_eq!((failure["class"].as_str(), failure["kind"].as_str()), (Some("privilege"), Some("denied")));
    assert!(failure["message"].as_str().is_some_and(|text| text.contains(why)), "{failure:#}");
    assert_eq!(report.count("needs-raw", "skipped"), 1);
}

#[test]
fn without_the_right_scripts_are_skipped_and_said_so_once() {
    let shared = Shared::new("skipped");
    expect_skipped(scan(arguments(&shared)).args(["--unprivileged"]).run(), "--unprivileged was given");
    if can_run(&["setpriv"]) {
        let lowered = ["--bounding-set", "-net_raw", "--inh-caps", "-net_raw", PROGRAM];
        let run = Sonde::command("setpriv").args(lowered).args(arguments(&shared)).run();
        expect_skipped(run, "it takes CAP_NET_RAW");
        let run = Sonde::command("setpriv").args(lowered).args(["--privileged", "-n", "127.0.0.1", "-p", "1"]).run();
        run.expect(4).says(&["--privileged: packets are not possible: it takes CAP_NET_RAW", "setcap cap_net_raw+p"]);
    }
}

#[test]
fn root_runs_them_all() {
    if can_run(&[]) {
        let shared = Shared::new("root");
        let run = scan(arguments(&shared)).args(["--privileged"]).run().expect(0);
        assert_eq!(outcomes(&run.report()), ALL);
        assert!(!run.stderr.contains("packets"), "{}", run.stderr);
    }
}

#[test]
fn a_capability_of_the_file_is_enough() {
    if can_run(&["setpriv", "setcap"]) {
        let shared = Shared::new("setcap");
        let program = shared.shown("sonde");
        let as_nobody = || {
            Sonde::command("setpriv").args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", program.as_str()])
        };
        assert_eq!(outcomes(&as_nobody().args(arguments(&shared)).run().expect(3).report()), SOME);
        let set = Command::new("setcap").args(["cap_net_raw+p", &program]).output().expect("it is installed");
        if !set.status.success() {
            return cannot_run("files of this machine cannot have capabilities");
        }
        assert_eq!(outcomes(&as_nobody().args(arguments(&shared)).run().expect(0).report()), ALL);
    }
}

#[test]
fn under_sudo_it_is_the_user_who_called_it() {
    if can_run(&["env"]) {
        let shared = Shared::new("sudo");
        let owner_of_report = |name: &str, more: &[&str]| {
            let user = [format!("SUDO_UID={NOBODY}"), format!("SUDO_GID={NOBODY}"), PROGRAM.to_owned()];
            let words = arguments(&shared).into_iter().filter(|word| word != "--json");
            let file = shared.shown(name);
            let run = Sonde::command("env").args(user).args(words).args(["-oJ", &file]).args(more).run();
            run.expect(0);
            assert_eq!(outcomes(&Report::read(&file)), ALL, "packets are possible all the same");
            let metadata = fs::metadata(&file).expect("it was written");
            (metadata.uid().to_string(), metadata.gid().to_string())
        };
        assert_eq!(owner_of_report("user", &[]), (NOBODY.to_owned(), NOBODY.to_owned()));
        assert_eq!(owner_of_report("root", &["--keep-root"]), ("0".to_owned(), "0".to_owned()));
    }
}
