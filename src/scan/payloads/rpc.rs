//! ONC RPC: the procedure that does nothing (RFC 5531 section 12.1), which every program has and answers to anybody.

use super::pieces::datagram;

/// A call of procedure 0 (RFC 5531 section 9), up to the program.
const CALL: &[u8] = datagram!(
    b"sond",       // xid
    &[0, 0, 0, 0], // CALL
    &[0, 0, 0, 2], // RPC's version
);

/// What follows the program: procedure 0, and no credentials twice (`AUTH_NONE`, of no length).
const NULL: &[u8] = &[0; 4 + 8 + 8];

/// rpcbind: program 100000 (RFC 1833 section 2.2), by the version all of them have.
pub(super) const PORTMAP: &[u8] = datagram!(CALL, &100_000_u32.to_be_bytes(), &2_u32.to_be_bytes(), NULL);

/// NFS: program 100003 version 3 (RFC 1813 section 3.3.0). Who has other versions only, names them.
pub(super) const NFS: &[u8] = datagram!(CALL, &100_003_u32.to_be_bytes(), &3_u32.to_be_bytes(), NULL);
