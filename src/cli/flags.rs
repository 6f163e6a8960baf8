//! What was typed: one field per option, as text. What it means is [`super::settings`]' business.
//!
//! argh reads the long names; nmap's words (`-sT`, `-oX`, `-p80`) are rewritten to them by [`super::normalise`], which
//! learns from this struct which options exist, which take a value and which may be repeated.

use argh::{ArgsInfo, FromArgs};

/// scan hosts, run scripts on what is found, report it.
#[derive(Debug, Default, PartialEq, Eq, FromArgs, ArgsInfo)]
#[expect(clippy::struct_excessive_bools, reason = "each switch of the command line is one field")]
pub struct Flags {
    // Targets.
    /// host names, addresses, prefixes or octet ranges
    #[argh(positional)]
    pub targets: Vec<String>,
    /// file with targets, `-` for stdin (-iL)
    #[argh(option, arg_name = "file")]
    pub input_list: Vec<String>,
    /// targets to leave out, separated by commas
    #[argh(option, arg_name = "targets")]
    pub exclude: Vec<String>,
    /// file with targets to leave out
    #[argh(option, long = "excludefile", arg_name = "file")]
    pub exclude_file: Vec<String>,
    /// scan an address once even if several targets name it
    #[argh(switch)]
    pub unique: bool,
    /// scan every address of a name, not only the first
    #[argh(switch)]
    pub resolve_all: bool,
    /// prefer the IPv4 address of a name (-4)
    #[argh(switch)]
    pub ipv4: bool,
    /// prefer the IPv6 address of a name (-6)
    #[argh(switch)]
    pub ipv6: bool,

    /// targets in random order (--rH)
    #[argh(switch)]
    pub randomize_hosts: bool,
    /// one part of the targets: i/n
    #[argh(option, arg_name = "i/n")]
    pub shard: Option<String>,

    // Names.
    /// no reverse names (-n)
    #[argh(switch)]
    pub no_reverse: bool,
    /// reverse names of hosts that are down as well (-R)
    #[argh(switch)]
    pub reverse_all: bool,
    /// name servers to ask, address or address:port, separated by commas
    #[argh(option, arg_name = "servers")]
    pub dns_servers: Option<String>,

    // Ports.
    /// ports to scan (-p)
    #[argh(option, arg_name = "ports")]
    pub ports: Option<String>,
    /// ports to leave out
    #[argh(option, arg_name = "ports")]
    pub exclude_ports: Option<String>,
    /// the 100 most common ports (-F)
    #[argh(switch)]
    pub fast: bool,
    /// the N most common ports
    #[argh(option, arg_name = "n")]
    pub top_ports: Option<String>,
    /// ports in ascending order (-r)
    #[argh(switch)]
    pub sequential: bool,

    // Scan.
    /// SYN scan (-sS)
    #[argh(switch)]
    pub scan_syn: bool,
    /// connect scan (-sT)
    #[argh(switch)]
    pub scan_connect: bool,
    /// UDP scan (-sU)
    #[argh(switch)]
    pub scan_udp: bool,
    /// ACK scan (-sA)
    #[argh(switch)]
    pub scan_ack: bool,
    /// window scan (-sW)
    #[argh(switch)]
    pub scan_window: bool,
    /// scan with FIN and ACK, Maimon (-sM)
    #[argh(switch)]
    pub scan_maimon: bool,
    /// null scan (-sN)
    #[argh(switch)]
    pub scan_null: bool,
    /// FIN scan (-sF)
    #[argh(switch)]
    pub scan_fin: bool,
    /// scan with FIN, PSH and URG, Xmas (-sX)
    #[argh(switch)]
    pub scan_xmas: bool,
    /// IP protocol scan (-sO)
    #[argh(switch)]
    pub scan_protocols: bool,
    /// SCTP INIT scan (-sY)
    #[argh(switch)]
    pub scan_sctp_init: bool,
    /// SCTP COOKIE-ECHO scan (-sZ)
    #[argh(switch)]
    pub scan_sctp_cookie: bool,
    /// TCP flags of the probe: a number or names
    #[argh(option, long = "scanflags", arg_name = "flags")]
    pub scan_flags: Option<String>,
    /// route to each host
    #[argh(switch)]
    pub traceroute: bool,

    // Discovery.
    /// discovery and no ports (-sn)
    #[argh(switch)]
    pub ping_only: bool,
    /// list the targets and send nothing (-sL)
    #[argh(switch)]
    pub list_only: bool,
    /// no discovery: scan every target (-Pn)
    #[argh(switch)]
    pub no_ping: bool,
    /// ICMP echo (-PE)
    #[argh(switch)]
    pub ping_echo: bool,
    /// ICMP timestamp (-PP)
    #[argh(switch)]
    pub ping_timestamp: bool,
    /// ICMP address mask (-PM)
    #[argh(switch)]
    pub ping_mask: bool,
    /// TCP SYN to ports (-PS)
    #[argh(option, arg_name = "ports")]
    pub ping_syn: Option<String>,
    /// TCP ACK to ports (-PA)
    #[argh(option, arg_name = "ports")]
    pub ping_ack: Option<String>,
    /// datagrams to ports (-PU)
    #[argh(option, arg_name = "ports")]
    pub ping_udp: Option<String>,
    /// SCTP INIT to ports (-PY)
    #[argh(option, arg_name = "ports")]
    pub ping_sctp: Option<String>,
    /// IP protocols (-PO)
    #[argh(option, arg_name = "protocols")]
    pub ping_protocol: Option<String>,
    /// ARP, which is asked on local links anyway (-PR)
    #[argh(switch)]
    pub ping_arp: bool,
    /// no ARP and no neighbour solicitation
    #[argh(switch)]
    pub disable_arp_ping: bool,
    /// a reset does not show that a host is up
    #[argh(switch)]
    pub discovery_ignore_rst: bool,

    // Packets.
    /// interface for link-local targets and routes (-e)
    #[argh(option, arg_name = "interface")]
    pub interface: Option<String>,
    /// port that probes come from (-g)
    #[argh(option, arg_name = "port")]
    pub source_port: Option<String>,
    /// time to live of probes
    #[argh(option, arg_name = "hops")]
    pub ttl: Option<String>,
    /// random bytes added to probes
    #[argh(option, arg_name = "bytes")]
    pub data_length: Option<String>,
    /// wrong checksums
    #[argh(switch, long = "badsum")]
    pub bad_sum: bool,
    /// show every packet sent and received
    #[argh(switch)]
    pub packet_trace: bool,
    /// list interfaces and routes and stop
    #[argh(switch, long = "iflist")]
    pub interface_list: bool,

    // Timing.
    /// timing template 0 to 5 or its name (-T)
    #[argh(option, arg_name = "0-5")]
    pub timing: Option<String>,
    /// probes or connections kept under way at least
    #[argh(option, arg_name = "n")]
    pub min_parallelism: Option<String>,
    /// probes or connections under way at most
    #[argh(option, arg_name = "n")]
    pub max_parallelism: Option<String>,
    /// sockets open at most
    #[argh(option, arg_name = "n")]
    pub max_sockets: Option<String>,

    /// sockets of scripts to one host at most
    #[argh(option, arg_name = "n")]
    pub max_sockets_per_host: Option<String>,

    /// sockets of all instances of one script at most
    #[argh(option, arg_name = "n")]
    pub max_sockets_per_script: Option<String>,
    /// probes and connections begun per second at least
    #[argh(option, arg_name = "rate")]
    pub min_rate: Option<String>,
    /// probes and connections begun per second at most
    #[argh(option, arg_name = "rate")]
    pub max_rate: Option<String>,
    /// time for one host
    #[argh(option, arg_name = "time")]
    pub host_timeout: Option<String>,
    /// wait for a connection, if not as long as for the first answer
    #[argh(option, arg_name = "time")]
    pub connect_timeout: Option<String>,
    /// wait for the first answer of a host
    #[argh(option, arg_name = "time")]
    pub initial_rtt_timeout: Option<String>,
    /// shortest adapted wait
    #[argh(option, arg_name = "time")]
    pub min_rtt_timeout: Option<String>,
    /// longest adapted wait
    #[argh(option, arg_name = "time")]
    pub max_rtt_timeout: Option<String>,
    /// tries after the first
    #[argh(option, arg_name = "n")]
    pub max_retries: Option<String>,
    /// pause between two probes of one host
    #[argh(option, arg_name = "time")]
    pub scan_delay: Option<String>,
    /// longest pause a host that loses probes may lead to
    #[argh(option, arg_name = "time")]
    pub max_scan_delay: Option<String>,
    /// ports that answer late because resets are limited count as unanswered
    #[argh(switch)]
    pub defeat_rst_ratelimit: bool,
    /// ports that answer late because ICMP errors are limited count as unanswered
    #[argh(switch)]
    pub defeat_icmp_ratelimit: bool,
    /// accepted without effect
    #[argh(option, arg_name = "n")]
    pub min_hostgroup: Option<String>,
    /// accepted without effect
    #[argh(option, arg_name = "n")]
    pub max_hostgroup: Option<String>,

    // Scripts.
    /// the scripts of category default (-sC)
    #[argh(switch)]
    pub script_default: bool,
    /// scripts to run: names, categories, patterns, expressions
    #[argh(option, arg_name = "expr")]
    pub script: Vec<String>,
    /// arguments for scripts, name=value separated by commas
    #[argh(option, arg_name = "args")]
    pub script_args: Vec<String>,
    /// file with arguments for scripts
    #[argh(option, arg_name = "file")]
    pub script_args_file: Vec<String>,
    /// describe scripts and stop
    #[argh(option, arg_name = "expr")]
    pub script_help: Vec<String>,
    /// run recorded cases of scripts instead of a scan; words are an expression, not targets
    #[argh(switch)]
    pub script_test: bool,
    /// directory with the cases
    #[argh(option, arg_name = "dir")]
    pub script_test_dir: Option<String>,
    /// write what the cases say now as what is expected
    #[argh(switch)]
    pub script_test_accept: bool,
    /// directory with further scripts
    #[argh(option, arg_name = "dir")]
    pub script_dir: Vec<String>,
    /// show what scripts send and receive
    #[argh(switch)]
    pub script_trace: bool,
    /// explain why a script said nothing: its name, or name@host:port
    #[argh(option, arg_name = "script")]
    pub why: Vec<String>,
    /// accepted: never needed
    #[argh(switch)]
    pub script_updatedb: bool,
    /// script instances alive at once
    #[argh(option, arg_name = "n")]
    pub max_script_instances: Option<String>,

    // Budgets of one script instance.
    /// wall time
    #[argh(option, arg_name = "time")]
    pub script_timeout: Option<String>,
    /// operations of the interpreter
    #[argh(option, arg_name = "n")]
    pub script_max_operations: Option<String>,
    /// memory
    #[argh(option, arg_name = "size")]
    pub script_max_memory: Option<String>,
    /// output
    #[argh(option, arg_name = "size")]
    pub script_max_output: Option<String>,
    /// bytes sent and received
    #[argh(option, arg_name = "size")]
    pub script_max_bytes: Option<String>,
    /// packets sent
    #[argh(option, arg_name = "n")]
    pub script_max_packets: Option<String>,
    /// sockets open at once
    #[argh(option, arg_name = "n")]
    pub script_max_sockets: Option<String>,
    /// one network operation
    #[argh(option, arg_name = "time")]
    pub script_operation_timeout: Option<String>,

    // Output.
    /// text (-oN)
    #[argh(option, arg_name = "file")]
    pub output_normal: Vec<String>,
    /// XML in nmap's shape (-oX)
    #[argh(option, arg_name = "file")]
    pub output_xml: Vec<String>,
    /// one line a host (-oG)
    #[argh(option, arg_name = "file")]
    pub output_grepable: Vec<String>,
    /// JSON Lines (-oJ)
    #[argh(option, arg_name = "file")]
    pub output_json: Vec<String>,
    /// all four formats, BASE.nmap .xml .gnmap .jsonl (-oA)
    #[argh(option, arg_name = "base")]
    pub output_all: Vec<String>,
    /// JSON Lines on stdout, as -oJ -
    #[argh(switch)]
    pub json: bool,
    /// show open ports only
    #[argh(switch)]
    pub open: bool,
    /// show why a port has its state
    #[argh(switch)]
    pub reason: bool,
    /// more detail, repeatable (-v)
    #[argh(switch)]
    pub verbose: u8,
    /// debug messages, repeatable (-d)
    #[argh(switch)]
    pub debug: u8,
    /// auto, always or never
    #[argh(option, arg_name = "when")]
    pub color: Option<String>,

    // The run itself.
    /// progress, one line every so often
    #[argh(option, arg_name = "time")]
    pub stats_every: Option<String>,
    /// no keys are read
    #[argh(switch)]
    pub noninteractive: bool,
    /// what is done, to go on from
    #[argh(option, arg_name = "file")]
    pub journal: Option<String>,
    /// go on from a journal
    #[argh(option, arg_name = "file")]
    pub resume: Option<String>,
    /// join the JSON Lines of the shards of a scan
    #[argh(switch)]
    pub merge: bool,

    // The rest.
    /// seed of every random choice
    #[argh(option, arg_name = "n")]
    pub seed: Option<String>,
    /// write everything that goes over the network into a file
    #[argh(option, arg_name = "file")]
    pub record: Option<String>,
    /// secret script arguments do not go into the recording
    #[argh(switch)]
    pub record_redact: bool,
    /// run again what is in the file, without a network
    #[argh(option, arg_name = "file")]
    pub replay: Option<String>,
    /// a replay lists differences instead of ending at them
    #[argh(switch)]
    pub replay_lenient: bool,
    /// a replay in which answers are lost, late, cut and changed, as the seed has it
    #[argh(option, arg_name = "n")]
    pub replay_faults: Option<String>,
    /// scan the network a scenario describes, without a network
    #[argh(option, arg_name = "file")]
    pub simulate: Option<String>,
    /// exit code 0 even if something planned was not done
    #[argh(switch)]
    pub allow_incomplete: bool,
    /// stop at once if packets are not possible
    #[argh(switch)]
    pub privileged: bool,
    /// never try for packets
    #[argh(switch)]
    pub unprivileged: bool,
    /// stay root when started by sudo
    #[argh(switch)]
    pub keep_root: bool,
    /// version and nothing else (-V)
    #[argh(switch)]
    pub version: bool,
}
