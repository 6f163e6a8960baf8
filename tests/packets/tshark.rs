//! Wireshark reads our packets as they were meant: same fields, same checksums.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value as Json;
use sonde::packet::{Chunk, ExtensionBody, Icmpv4Body, Icmpv6Body, IgmpBody, Ipv4Option, Layer, Packet, TcpOption};

use super::corpus;
use crate::support::cannot_run;
use crate::support::dir::Dir;

/// A capture file (draft-ietf-opsawg-pcap) of Ethernet frames.
fn pcap(frames: &[Vec<u8>]) -> Vec<u8> {
    let header = [0xa1b2_c3d4_u32, 0x0002_0004, 0, 0, 0x4_0000, 1];
    let mut file: Vec<u8> = header.iter().flat_map(|word| word.to_be_bytes()).collect();
    for (at, frame) in frames.iter().enumerate() {
        let record = [at as u32, 0, frame.len() as u32, frame.len() as u32];
        file.extend(record.iter().flat_map(|word| word.to_be_bytes()));
        file.extend(frame);
    }
    file
}

/// The values of every field of a packet, however deep.
type Fields = BTreeMap<String, Vec<String>>;

fn collect(value: &Json, name: &str, fields: &mut Fields) {
    match value {
        Json::Object(members) => members.iter().for_each(|(name, value)| collect(value, name, fields)),
        Json::Array(items) => items.iter().for_each(|item| collect(item, name, fields)),
        Json::String(text) => fields.entry(name.to_owned()).or_default().push(text.clone()),
        _ => {}
    }
}

/// What tshark makes of the frames; none where there is no tshark.
fn dissected(frames: &[Vec<u8>]) -> Option<Vec<Fields>> {
    let dir = Dir::new();
    let file = dir.write("corpus.pcap", pcap(frames));
    let mut tshark = Command::new("tshark");
    // Ports mean nothing here: what they carry is not what they are known for.
    tshark.args(["-n", "-T", "json", "--no-duplicate-keys", "-r"]).arg(&file).env("HOME", dir.path());
    for preference in ["ip.check_checksum:TRUE", "tcp.check_checksum:TRUE", "udp.check_checksum:TRUE"] {
        tshark.args(["-o", preference]);
    }
    tshark.args(["-o", "sctp.checksum:CRC-32C", "-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE"]);
    let output = match tshark.output() {
        Ok(output) => output,
        Err(error) => {
            cannot_run(&format!("tshark: {error}"));
            return None;
        }
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let packets: Vec<Json> = serde_json::from_slice(&output.stdout).expect("tshark writes JSON");
    let fields = |packet: &Json| {
        let mut fields = Fields::new();
        collect(packet, "", &mut fields);
        fields
    };
    Some(packets.iter().map(fields).collect())
}

#[test]
fn dump() {
    let corpus = corpus::all();
    let frames: Vec<Vec<u8>> = corpus.iter().map(|(_, packet)| packet.to_bytes()).collect();
    let Some(seen) = dissected(&frames) else { return };
    for ((name, packet), fields) in corpus.iter().zip(&seen) {
        println!("== {name} {}\n{fields:?}", packet.summary());
    }
}
