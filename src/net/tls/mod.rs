//! TLS: data connections and the handshake prober (next).
