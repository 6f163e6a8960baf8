//! libpcap as the oracle, by tcpdump reading files: nothing is captured.

use std::process::{Command, Stdio};

use sonde::capture::bpf::{Instruction, Program};
use sonde::model::LinkType;

use super::packets::Packet;
use crate::support::dir::Dir;

/// How libpcap compiles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mode {
    /// As the expression says.
    Plain,
    /// Through its optimiser, which reads less and in another order.
    Optimised,
}

/// libpcap's programs for `filters`, or why there is none. One shell for each half of them: a tcpdump takes 5 ms.
pub fn programs(link: LinkType, mode: Mode, filters: &[String]) -> Vec<Result<Program, String>> {
    let half = filters.len().div_ceil(2).max(1);
    let halves: Vec<_> = filters.chunks(half).map(|part| Compiler::start(link, mode, part)).collect();
    halves.into_iter().flat_map(Compiler::finish).collect()
}

struct Compiler {
    child: std::process::Child,
    /// Holds the lines the child reads.
    _dir: Dir,
}

impl Compiler {
    fn start(link: LinkType, mode: Mode, filters: &[String]) -> Compiler {
        let dir = Dir::new();
        let empty = dir.write("empty.pcap", file(link, &[]));
        let lines = dir.write("filters", filters.join("\n") + "\n");
        let script = r#"while IFS= read -r filter; do
            tcpdump -Z root -r "$0" $1 -ddd -- "$filter" 2> "$2.err" || { echo failed; tail -n 1 "$2.err"; }
            echo .
        done < "$2""#;
        let option = if mode == Mode::Plain { "-O" } else { "-n" };
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(empty).arg(option).arg(lines);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("a shell");
        Compiler { child, _dir: dir }
    }

    fn finish(self) -> Vec<Result<Program, String>> {
        let output = self.child.wait_with_output().expect("the shell ends");
        let text = String::from_utf8(output.stdout).expect("tcpdump prints ASCII");
        text.split_terminator(".\n").map(program).collect()
    }
}

fn program(text: &str) -> Result<Program, String> {
    let mut lines = text.lines();
    let count: usize = match lines.next() {
        Some(count) if count != "failed" => count.parse().expect("a count comes first"),
        _ => return Err(lines.next().unwrap_or_default().to_owned()),
    };
    let instructions: Vec<Instruction> = lines
        .map(|line| {
            let numbers: Vec<u32> = line.split(' ').map(|number| number.parse().expect("numbers")).collect();
            let [code, jt, jf, k] = numbers[..] else { panic!("not an instruction: {line}") };
            Instruction { code: code as u16, jt: jt as u8, jf: jf as u8, k }
        })
        .collect();
    assert_eq!(instructions.len(), count);
    Program::verify(instructions).map_err(|error| error.to_string())
}

/// Which of `packets` tcpdump writes out again: libpcap's own interpreter.
pub fn accepted(link: LinkType, mode: Mode, packets: &[Packet], filter: &str) -> Vec<bool> {
    let dir = Dir::new();
    let from = dir.write("packets.pcap", file(link, packets));
    let option = if mode == Mode::Plain { "-O" } else { "-n" };
    let mut command = Command::new("tcpdump");
    command.args(["-Z", "root", option, "-w", "-", "-r"]).arg(from).args(["--", filter]);
    let output = command.stdin(Stdio::null()).output().expect("tcpdump");
    assert!(output.status.success(), "{filter}: {}", String::from_utf8_lossy(&output.stderr));
    let mut accepted = vec![false; packets.len()];
    let mut rest = &output.stdout[24..];
    while let Some((head, tail)) = rest.split_at_checked(16) {
        let word = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().expect("four bytes")) as usize;
        accepted[word(0)] = true;
        rest = &tail[word(8)..];
    }
    accepted
}

/// A capture file: a packet's number is its time in seconds.
fn file(link: LinkType, packets: &[Packet]) -> Vec<u8> {
    let link_type = match link {
        LinkType::Ethernet => 1u32,
        LinkType::Ip => 101,
    };
    let mut bytes = Vec::new();
    // Magic, version 2.4 as two halves, zone, accuracy, longest packet, link.
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 0x4_0000, link_type] {
        bytes.extend(u32::to_le_bytes(word));
    }
    for (number, packet) in packets.iter().enumerate() {
        for word in [number as u32, 0, packet.bytes.len() as u32, packet.wire_len] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(&packet.bytes);
    }
    bytes
}
