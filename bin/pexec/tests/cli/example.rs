//! The example in `docs/examples`: it must work as it stands there.

use std::path::Path;

use crate::support::Test;

#[test]
fn the_checksums_example_agrees_with_sha256sum() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples/checksums/run.sh");
    let mut test = Test::new();
    for n in 0..60 {
        test = test.file(
            format!("tree/{}/file {n} 'quoted'", n % 7),
            format!("content {n}"),
        );
    }
    let done = test
        .file("tree/.hidden/file", "not seen by the glob")
        .file("tree/.hidden-file", "neither")
        .file("tree/empty", "")
        .file("tree/-dash", "dash")
        .shell(&format!(
            "ln -s empty tree/link; ln -s nowhere tree/broken; ln -s 1 tree/dir; '{}' tree",
            script.display()
        ))
        .code(0);
    assert_eq!(
        String::from_utf8_lossy(&done.stdout),
        "63 files, identical\n",
        "{done}"
    );
}
