//! One network namespace: made by root, used from any thread, gone when dropped.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Once;

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Every namespace of a lab is called so, then the process, the lab's number and the role in it.
const PREFIX: &str = "sonde-lab-";
/// Where `ip` keeps the names.
const FOLDER: &str = "/run/netns";

/// Why a lab cannot be set up on this machine.
#[derive(Debug)]
pub struct Unable(pub String);

/// A namespace with nothing in it but a loopback interface that is up.
pub struct Space {
    name: String,
}

impl Space {
    /// Makes the namespace of one role in the lab `number` of this process.
    pub fn new(number: u32, role: &str) -> Result<Space, Unable> {
        static SWEPT: Once = Once::new();
        SWEPT.call_once(sweep);
        let name = format!("{PREFIX}{}-{number}-{role}", std::process::id());
        let made = run(&["netns", "add", &name], "").map_err(|why| Unable(format!("no network namespaces: {why}")))?;
        if !made.status.success() {
            return Err(Unable(format!("no network namespaces, which takes root: {}", complaint(&made))));
        }
        let space = Space { name };
        // No waiting for addresses, no rates on answers, no chatter about routers.
        space.set(&[
            ("net/ipv6/conf/all/accept_dad", "0"),
            ("net/ipv6/conf/default/accept_dad", "0"),
            ("net/ipv6/conf/default/router_solicitations", "0"),
            ("net/ipv6/icmp/ratelimit", "0"),
            ("net/ipv4/icmp_ratelimit", "0"),
            ("net/ipv4/conf/all/rp_filter", "0"),
            ("net/ipv4/conf/default/rp_filter", "0"),
        ])?;
        space.ip("link set lo up")?;
        Ok(space)
    }

    /// Its name, as `ip netns` shows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its handle is.
    pub fn path(&self) -> PathBuf {
        Path::new(FOLDER).join(&self.name)
    }

    /// Does `work` with this thread in the namespace: sockets made there stay there, and so do processes and threads
    /// started there.
    pub fn inside<T>(&self, work: impl FnOnce() -> T) -> T {
        let home = File::open("/proc/thread-self/ns/net").expect("this thread is in a namespace");
        let there = File::open(self.path()).expect("the namespace is there while its owner lives");
        enter(&there);
        let _back = Back(home);
        work()
    }

    /// Runs the commands of `ip`, one a line. A kernel without a kind of device is no failure of the test; anything else is.
    #[track_caller]
    pub fn ip(&self, lines: &str) -> Result<(), Unable> {
        let done = run(&["-n", &self.name, "-batch", "-"], lines).map_err(Unable)?;
        let why = complaint(&done);
        if ["Unknown device type", "not supported"].iter().any(|part| why.contains(part)) {
            return Err(Unable(format!("{lines}: {why}")));
        }
        assert!(done.status.success(), "{}: ip: {lines}\n{why}", self.name);
        Ok(())
    }

    /// What `ip` with these words says.
    #[track_caller]
    pub fn ask(&self, words: &[&str]) -> String {
        let said = run(&[&["-n", &self.name], words].concat(), "").expect("ip was there before");
        assert!(said.status.success(), "{}: ip {words:?}: {}", self.name, complaint(&said));
        String::from_utf8_lossy(&said.stdout).into_owned()
    }

    /// Sets kernel variables, by their paths below `/proc/sys`.
    pub fn set(&self, variables: &[(&str, &str)]) -> Result<(), Unable> {
        self.inside(|| {
            for (variable, value) in variables {
                let set = fs::write(Path::new("/proc/sys").join(variable), value);
                set.map_err(|error| Unable(format!("{variable} cannot be set: {error}")))?;
            }
            Ok(())
        })
    }

    /// Adds rules of nftables.
    #[track_caller]
    pub fn nft(&self, rules: &str) -> Result<(), Unable> {
        let done = run(&["netns", "exec", &self.name, "nft", "-f", "-"], rules).map_err(Unable)?;
        let why = complaint(&done);
        if why.contains("No such file or directory") || why.contains("not supported") {
            return Err(Unable(format!("nft lacks what it needs: {why}")));
        }
        assert!(done.status.success(), "{}: nft: {rules}\n{why}", self.name);
        Ok(())
    }

    /// Runs a program there to its end; what it printed. It must succeed.
    #[track_caller]
    pub fn run(&self, words: &[&str]) -> Result<String, Unable> {
        let done = run(&[&["netns", "exec", &self.name], words].concat(), "").map_err(Unable)?;
        if complaint(&done).starts_with("exec of ") {
            return Err(Unable(complaint(&done)));
        }
        assert!(done.status.success(), "{}: {words:?}: {}", self.name, complaint(&done));
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// Puts a thread back where it came from, also when it panics.
struct Back(File);

impl Drop for Back {
    fn drop(&mut self) {
        enter(&self.0);
    }
}

fn enter(namespace: &File) {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).expect("root may change namespaces");
}

/// The namespaces of labs, with the process that made each.
pub fn all() -> Vec<(String, u32)> {
    let names =
        fs::read_dir(FOLDER).into_iter().flatten().flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let owned = names.filter_map(|name| {
        let owner = name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok()?;
        Some((name, owner))
    });
    owned.collect()
}

/// Removes what test processes left that did not come to their end.
pub fn sweep() {
    let stale = all().into_iter().filter(|(_, owner)| !Path::new("/proc").join(owner.to_string()).exists());
    stale.for_each(|(name, _)| remove(&name));
}

/// Ends what still runs in a namespace, which only the lab's owner can have started, and removes it.
fn remove(name: &str) {
    let left = run(&["netns", "pids", name], "").map(|said| String::from_utf8_lossy(&said.stdout).into_owned());
    for id in left.unwrap_or_default().lines().filter_map(|line| line.trim().parse::<i32>().ok()) {
        if id.unsigned_abs() != std::process::id() {
            let _ = Pid::from_raw(id).map(|pid| kill_process(pid, Signal::KILL));
        }
    }
    let _ = run(&["netns", "del", name], "");
}

/// Runs `ip` with these words and this input.
fn run(words: &[&str], input: &str) -> Result<Output, String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("ip");
    command.args(words).env("PATH", format!("{path}:/usr/sbin:/sbin")).env("LC_ALL", "C");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let failed = |error: std::io::Error| format!("ip does not start ({error}): install the Debian package iproute2");
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A command that ends early says itself why.
        let _ = stdin.write_all(input.as_bytes());
    }
    child.wait_with_output().map_err(failed)
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}
