//! The command line: what is refused and how, where reports go, exit codes.

use crate::support::servers;
use crate::support::sonde::sonde;

#[test]
fn a_real_server_is_scanned() {
    let Some(server) = servers::nginx("") else { return };
    let run = sonde(["-p", &server.port(), "--script", "+http-title", "--json", &server.ip()]).run().expect(0);
    assert_eq!(run.report().script("http-title")["output"], "A real server");
}
