//! The page as a file: what is in it, and what is not.

use pexec_report::html;

use crate::made::{self, How, Made, failure, success};

fn page(made: &Made) -> String {
    let mut out = Vec::new();
    html::write(&made.report(), &made.output, &mut out).expect("written");
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn it_forbids_itself_everything_but_its_own_style_and_script() {
    let page = page(&made::night(50));
    let policy = page
        .split("Content-Security-Policy\" content=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    let policy = policy.expect("a policy");
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    for loads in [
        " src=",
        "<link",
        "@import",
        "url(",
        "fetch(",
        "XMLHttpRequest",
        "https://",
    ] {
        // What tasks wrote is in the two blocks, which load nothing.
        let own: String = page.split("<script type=\"application/json\"").take(1).collect();
        let script = page.rsplit("<script>").next().unwrap_or_default();
        assert!(!own.contains(loads) && !script.contains(loads), "{loads}");
    }
}

#[test]
fn nothing_that_tasks_wrote_is_markup() {
    let page = page(&made::night(600));
    assert_eq!(page.matches("<script").count(), 3);
    assert_eq!(page.matches("</script>").count(), 3);
    assert!(!page.contains("<img") && page.contains("\\u003cimg src=x onerror=alert(1)\\u003e"));
}

#[test]
fn output_is_cut_where_there_is_much_and_that_is_said() {
    let mut made = Made::begun(&[("a", 300)]);
    for index in 0..300u64 {
        let stdout = format!("begin{}end-{index}", "x".repeat(40_000)).into_bytes();
        let how = if index < 250 { failure() } else { success() };
        made.ran(
            &Made::who("a", index, &format!("a({index})")),
            1,
            How { stdout, ..how },
        );
    }
    let page = page(&made);
    assert!(page.len() < 16 << 20, "{}", page.len());
    // A failure's beginning and end, a success's end.
    assert!(page.contains("\"begin") && page.contains("end-0\"") && page.contains("end-299\""));
    let left_out = page
        .split("\"leftOut\":")
        .nth(1)
        .and_then(|rest| rest.split(',').next());
    let left_out: u64 = left_out.and_then(|n| n.parse().ok()).expect("a number");
    assert!((1..250).contains(&left_out), "{left_out}");
}

#[test]
fn a_wordy_cause_leaves_room_for_the_others() {
    let mut made = Made::begun(&[("a", 251)]);
    for index in 0..250u64 {
        let stderr = vec![b'x'; 40_000];
        made.ran(
            &Made::who("a", index, "a(wordy)"),
            1,
            How {
                stderr,
                why: Some("exit 1"),
                ..failure()
            },
        );
    }
    let stdout = b"the one line that matters".to_vec();
    made.ran(&Made::who("a", 250, "a(other)"), 1, How { stdout, ..failure() });
    assert!(page(&made).contains("the one line that matters"));
}

#[test]
fn fifty_thousand_instances_are_a_file_that_can_be_mailed() {
    let size = page(&made::night(50_000)).len();
    assert!(size < 16 << 20, "{size}");
}
