//! What each side proves: that it holds the key, in its own role, in this very exchange of hellos.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{HandshakeError, Hello};
use crate::Key;

/// Length of a proof in bytes.
pub(super) const PROOF_LEN: usize = 32;

// Of one length, so that no label and hello can be read as another label and hello.
const WORKER: &[u8; 26] = b"pexec handshake worker\0\0\0\0";
const SUPERVISOR: &[u8; 26] = b"pexec handshake supervisor";

/// Both hellos as they were on the wire, the supervisor's first.
#[derive(Clone)]
pub(super) struct Transcript {
    pub(super) supervisor: [u8; Hello::LEN],
    pub(super) worker: [u8; Hello::LEN],
}

impl Transcript {
    pub(super) fn worker_proof(&self, key: &Key) -> [u8; PROOF_LEN] {
        self.mac(key, WORKER).finalize().into_bytes().into()
    }

    pub(super) fn supervisor_proof(&self, key: &Key, worker_proof: &[u8; PROOF_LEN]) -> [u8; PROOF_LEN] {
        self.mac(key, SUPERVISOR)
            .chain_update(worker_proof)
            .finalize()
            .into_bytes()
            .into()
    }

    pub(super) fn check_worker(&self, key: &Key, proof: &[u8; PROOF_LEN]) -> Result<(), HandshakeError> {
        self.mac(key, WORKER)
            .verify_slice(proof)
            .map_err(|_| HandshakeError::BadProof)
    }

    pub(super) fn check_supervisor(
        &self,
        key: &Key,
        worker_proof: &[u8; PROOF_LEN],
        proof: &[u8; PROOF_LEN],
    ) -> Result<(), HandshakeError> {
        let mac = self.mac(key, SUPERVISOR).chain_update(worker_proof);
        mac.verify_slice(proof).map_err(|_| HandshakeError::BadProof)
    }

    fn mac(&self, key: &Key, label: &[u8; 26]) -> Hmac<Sha256> {
        Hmac::<Sha256>::new_from_slice(key.expose())
            .expect("HMAC takes keys of any length")
            .chain_update(label)
            .chain_update(self.supervisor)
            .chain_update(self.worker)
    }
}
