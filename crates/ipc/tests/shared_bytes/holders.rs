//! The memory belongs to its holders together: it outlives each of them but the last.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command, Stdio};

use pexec_ipc::shared_bytes::SharedBytes;
use pexec_ipc::socket;
use pexec_proto::codec;

use crate::traffic::{MIB, alone, collect, holdings, pattern, provide, receive, send};

/// In the child of the test below: takes bytes from the socket at standard input, says their sum, and holds them.
#[test]
fn holder() {
    if std::env::var_os("HOLD_SHARED_BYTES").is_none() {
        return;
    }
    let socket = io::stdin().as_fd().try_clone_to_owned().unwrap();
    let (body, fds) = receive(&socket);
    let bytes: SharedBytes = provide(fds, || codec::decode(&body)).unwrap();
    let sum: u64 = bytes.iter().map(|&b| u64::from(b)).sum();
    send(&socket, &sum.to_le_bytes(), Vec::new());
    // Ends by being killed, or with its parent.
    let _ = File::from(socket).read(&mut [0]);
    drop(bytes);
}

struct Holder(Child);

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether the process has the file open or mapped.
fn holds(pid: u32, file: (u64, u64)) -> bool {
    let fds = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten();
    let open = fds
        .filter_map(|fd| std::fs::metadata(fd.path()).ok())
        .any(|meta| (meta.dev(), meta.ino()) == file);
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    open || maps
        .lines()
        .filter(|l| l.contains("memfd:pexec-bytes"))
        .any(|l| l.split_whitespace().nth(4) == Some(&file.1.to_string()))
}

#[test]
fn bytes_outlive_their_sender_s_handle_and_are_gone_with_their_last_holder_however_it_ends() {
    let _alone = alone();
    let before = holdings();
    let original = pattern(3 * MIB);
    let sum: u64 = original.iter().map(|&b| u64::from(b)).sum();
    let (ours, theirs) = socket::pair().unwrap();
    let mut command = Command::new("/proc/self/exe");
    command.args(["--exact", "holders::holder", "--nocapture"]);
    command.env("HOLD_SHARED_BYTES", "1");
    command.stdin(theirs).stdout(Stdio::null());
    let mut child = Holder(command.spawn().unwrap());
    drop(command);

    let bytes = SharedBytes::from(original);
    let mut body = Vec::new();
    let (encoded, fds) = collect(|| codec::encode(&bytes, &mut body));
    encoded.unwrap();
    let meta = File::from(fds[0].try_clone().unwrap()).metadata().unwrap();
    let file = (meta.dev(), meta.ino());
    send(&ours, &body, vec![fds[0].as_fd()]);
    drop((bytes, fds));
    assert!(!holds(std::process::id(), file), "the sender has let go of it");

    let (answer, _) = receive(&ours);
    assert_eq!(answer, sum.to_le_bytes(), "the receiver reads what was sent");
    let (pid, everybody) = (child.0.id(), std::fs::read_dir("/proc").unwrap());
    assert!(holds(pid, file));
    let others = everybody
        .flatten()
        .filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    assert!(
        others.filter(|&p| p != pid).all(|p| !holds(p, file)),
        "nobody else has it"
    );
    child.0.kill().unwrap();
    child.0.wait().unwrap();
    assert!(!holds(pid, file));
    drop((child, ours));
    assert_eq!(holdings(), before);
}
