//! Programs in the kernel: on a pair of datagram sockets of this process, where a filter sees what was sent and nothing else.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;

use fastrand::Rng;
use socket2::{SockFilter, SockRef};
use sonde::capture::bpf::{Instruction, Program, opcode};
use sonde::capture::filter::Filter;
use sonde::model::LinkType;

use super::packets::Packet;

struct Pair {
    from: UnixDatagram,
    to: UnixDatagram,
}

impl Pair {
    fn new() -> Pair {
        let (from, to) = UnixDatagram::pair().expect("two sockets");
        to.set_nonblocking(true).expect("a socket can be told not to block");
        Pair { from, to }
    }

    fn attach(&self, instructions: &[Instruction]) -> std::io::Result<()> {
        let filters: Vec<SockFilter> =
            instructions.iter().map(|one| SockFilter::new(one.code, one.jt, one.jf, one.k)).collect();
        SockRef::from(&self.to).attach_filter(&filters)
    }

    fn takes(&self, packet: &Packet) -> bool {
        // What is refused is reported to the sender or not, as the kernel pleases.
        let _ = self.from.send(&packet.bytes);
        let mut room = [0; 4096];
        match self.to.recv(&mut room) {
            Ok(length) => length == packet.bytes.len(),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                false
            }
        }
    }
}

/// Whether a socket's allowance may be too small for a program, which has nothing to do with the verifier: the kernel makes up
/// to 19 instructions of 8 bytes of each that reads the packet.
fn outgrows_a_socket(program: &Program) -> bool {
    let allowance = std::fs::read_to_string("/proc/sys/net/core/optmem_max").expect("Linux");
    let reads = |one: &&Instruction| matches!(one.code & 0xe7, 0x20 | 0x40 | 0xa1);
    let loads = program.instructions().iter().filter(reads).count();
    (loads * 19 + program.instructions().len() * 3) * 8 > allowance.trim().parse().expect("a number")
}

fn whole(mut packet: Packet) -> Option<Packet> {
    packet.wire_len = packet.bytes.len() as u32;
    (!packet.bytes.is_empty()).then_some(packet)
}

#[test]
fn the_kernel_takes_our_programs_and_gives_the_same_verdicts() {
    let mut rng = Rng::with_seed(super::seed() + 2);
    let mut runs = 0;
    for link in [LinkType::Ethernet, LinkType::Ip] {
        let packets: Vec<Packet> = super::some_packets(&mut rng, link, 60).into_iter().filter_map(whole).collect();
        let filters: Vec<Filter> =
            super::generated(&mut rng, link, 200).iter().filter_map(|text| Filter::parse(text).ok()).collect();
        let unions = filters.chunks(7).map(|some| Filter::any_of(&some.iter().collect::<Vec<_>>()));
        let all: Vec<Filter> = filters.iter().cloned().chain(unions).collect();
        for filter in &all {
            let Ok(program) = filter.compile(link) else { continue };
            // A new pair each time: while one program replaces another, the socket's allowance must hold both.
            let pair = Pair::new();
            if let Err(error) = pair.attach(program.instructions()) {
                assert!(outgrows_a_socket(&program), "{error}: {filter}\n{program}");
                continue;
            }
            for packet in &packets {
                runs += 1;
                assert_eq!(pair.takes(packet), super::takes(&program, packet), "{filter}\n{packet:?}\n{program}");
            }
        }
    }
    assert!(runs > 20_000, "{runs}");
}

#[test]
fn what_the_verifier_takes_the_kernel_takes() {
    let mut rng = Rng::with_seed(super::seed() + 3);
    let pair = Pair::new();
    let codes = [
        0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0x00, 0x60, 0x80, 0x01, 0x61, 0x81, 0xb1, 0x02, 0x03, 0x04, 0x0c, 0x14,
        0x1c, 0x24, 0x2c, 0x34, 0x3c, 0x44, 0x4c, 0x54, 0x5c, 0x64, 0x6c, 0x74, 0x7c, 0x84, 0x94, 0x9c, 0xa4, 0xac,
        0x05, 0x15, 0x1d, 0x25, 0x2d, 0x35, 0x3d, 0x45, 0x4d, 0x06, 0x16, 0x07, 0x87, 0x8c, 0x0e, 0x88,
    ];
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let length = rng.usize(1..7);
        let mut program: Vec<Instruction> = (0..length)
            .map(|_| Instruction {
                code: if rng.u8(..) == 0 { rng.u16(..) } else { super::packets::pick(&mut rng, &codes) },
                jt: rng.u8(..4),
                jf: rng.u8(..4),
                k: super::packets::pick(&mut rng, &[0, 0, 1, 2, 3, 15, 16, 31, 32, 0x7fff_ffff]),
            })
            .collect();
        if rng.u8(..4) > 0 {
            program.push(Instruction::plain(opcode::RET_K, 1));
        }
        let verdict = Program::verify(program.clone());
        let kernel = pair.attach(&program);
        assert_eq!(verdict.is_ok(), kernel.is_ok(), "{program:x?}: {verdict:?}, the kernel: {kernel:?}");
        if verdict.is_ok() { taken += 1 } else { refused += 1 }
    }
    assert!(taken > 1000 && refused > 1000, "{taken} taken, {refused} refused");
}
