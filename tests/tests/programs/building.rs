//! What is refused before any task runs: by the compiler, or when the pool is built.

use std::path::Path;
use std::process::{Command, Output};

use pexec_tests::{LeakSweep, Program};

use crate::MISBEHAVE;

#[test]
fn a_program_that_forgot_init_gets_an_error_with_the_line_to_add_and_starts_no_process() {
    let _sweep = LeakSweep::new();
    let mut program = Program::start(MISBEHAVE, &["forgetful"], &[]);
    let ended = program.wait();
    assert!(ended.stdout.starts_with("NotInitialized: "), "{ended:?}");
    assert!(
        ended
            .stdout
            .contains("add `pexec::init();` as the first statement of main()"),
        "{ended:?}"
    );
    assert!(ended.stdout.ends_with("children: 0\n"), "{ended:?}");
    assert_eq!((ended.status.code(), ended.stderr.as_str()), (Some(0), ""));
    program.assert_nothing_left();
}

/// Compiles a program against the pexec that this test is linked with. The check is an assertion in a constant,
/// which the compiler evaluates when it makes code: an object file is enough, `cargo check` is not.
fn compile(main: &str) -> Output {
    let directory = tempfile::tempdir().expect("a directory");
    let source = directory.path().join("main.rs");
    let program = format!("use pexec::Executor;\nfn main() {{\n{main}\n}}\n");
    std::fs::write(&source, program).expect("written");
    let libraries = std::env::current_exe()
        .expect("a path")
        .parent()
        .expect("a directory")
        .to_owned();
    // The library that was built last is the one that this test was linked with.
    let pexec = std::fs::read_dir(&libraries)
        .expect("the build's libraries")
        .flatten()
        .map(|e| e.path())
        .filter(|p| is_library(p))
        .max_by_key(|p| p.metadata().and_then(|m| m.modified()).ok())
        .expect("pexec was built for this test");
    Command::new("rustc")
        .args([
            "--edition=2024",
            "--crate-name=refused",
            "--crate-type=bin",
            "--emit=obj",
        ])
        .arg(format!("--extern=pexec={}", pexec.display()))
        .arg(format!("-Ldependency={}", libraries.display()))
        .arg(format!("--out-dir={}", directory.path().display()))
        .arg(&source)
        .output()
        .expect("rustc runs")
}

fn is_library(path: &Path) -> bool {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    name.starts_with("libpexec-") && name.ends_with(".rlib")
}

/// Compiles, and gives what the compiler says in one line.
fn refused(main: &str) -> String {
    let output = compile(main);
    let text = String::from_utf8_lossy(&output.stderr)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    assert!(!output.status.success(), "it was compiled: {main}");
    text
}

const WHY: &str = "a pexec task must be a function or a closure that captures nothing: pass what it needs as its \
                   argument";

#[test]
fn functions_and_closures_that_capture_nothing_build() {
    let _sweep = LeakSweep::new();
    let output = compile(
        "let pool = pexec::Inline::new();
         fn id<T>(x: T) -> T { x }
         let _ = pool.submit(|a: u32, b: u32| a + b, (1, 2));
         let _ = pool.submit(id::<u8>, 7);
         let _ = pool.submit(|| 5, ());
         let _ = pexec::ProcessPool::builder().initializer(|x: u8| x, 1).build();",
    );
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_capturing_closure_fails_to_build_with_a_message_that_says_why() {
    let _sweep = LeakSweep::new();
    let executors = [
        "pexec::Inline::new()",
        "pexec::ProcessPool::new().unwrap()",
        "pexec::ThreadPool::new().unwrap()",
    ];
    for executor in executors {
        let text = refused(&format!(
            "let k = 3u32; let _ = {executor}.submit(move |x: u32| x + k, 1);"
        ));
        assert!(text.contains(WHY), "{text}");
    }
}

#[test]
fn a_function_pointer_fails_to_build_with_a_message_that_says_why() {
    let _sweep = LeakSweep::new();
    let text =
        refused("let f: fn(u32) -> u32 = |x| x; let _ = pexec::ProcessPool::new().unwrap().submit(f, 1);");
    assert!(
        text.contains("function pointers are refused as well: name the function itself"),
        "{text}"
    );
}

#[test]
fn a_capturing_initializer_fails_to_build_with_a_message_that_says_why() {
    let _sweep = LeakSweep::new();
    for verb in [
        "initializer(move |x: u32| x + k, 1)",
        "try_initializer(move |x: u32| Ok::<u32, String>(x + k), 1)",
    ] {
        let text = refused(&format!(
            "let k = 3u32; let _ = pexec::ProcessPool::builder().{verb}.build();"
        ));
        assert!(text.contains(WHY), "{text}");
    }
}

#[test]
fn a_value_that_is_no_function_fails_to_build_and_the_message_speaks_of_tasks() {
    let _sweep = LeakSweep::new();
    let text = refused("let _ = pexec::Inline::new().submit(\"not a function\", 1u8);");
    assert!(
        text.contains("`&str` cannot be a task for an argument of type"),
        "{text}"
    );
    assert!(
        text.contains("pass `()` for no argument, the value for one, and a tuple for two to six"),
        "{text}"
    );
}

#[test]
fn a_named_task_that_cannot_be_called_from_another_process_fails_to_build_with_the_reason() {
    let _sweep = LeakSweep::new();
    for (function, why) in [
        ("#[pexec::task] fn f<T>(_: T) {}", "a named task is not generic"),
        ("#[pexec::task] fn f(_: impl Into<u8>) {}", "not `impl Trait`"),
        (
            "#[pexec::task] async fn f() {}",
            "a task is a plain `fn`: start an async runtime inside it",
        ),
        ("#[pexec::task] unsafe fn f() {}", "a task is a safe `fn`"),
        (
            "#[pexec::task] fn f(_: &str) {}",
            "an argument of a task is owned",
        ),
        (
            "#[pexec::task] fn f() -> &'static str { \"\" }",
            "the result of a task is owned",
        ),
        (
            "struct S; impl S { #[pexec::task] fn f(&self) {} }",
            "a task is a free function, not a method",
        ),
        (
            "#[pexec::task] fn f(_: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8) {}",
            "a task has six arguments at most",
        ),
        (
            "#[pexec::task(nmae = \"x\")] fn f() {}",
            "#[pexec::task(name = \"..\")]",
        ),
        (
            "#[pexec::task(name = \"a b\")] fn f() {}",
            "made of letters, digits",
        ),
        ("#[pexec::task] struct S;", "#[pexec::task] belongs on a function"),
        ("struct S; #[pexec::task] fn f(_: S) {}", "the trait bound `S: "),
    ] {
        let text = refused(function);
        assert!(text.contains(why), "{function}: {text}");
    }
}

#[test]
fn named_tasks_of_many_shapes_build_where_unsafe_code_is_forbidden() {
    let _sweep = LeakSweep::new();
    let output = compile(
        "#![forbid(unsafe_code)]
         #![deny(warnings)]
         #[pexec::task] fn none() {}
         #[pexec::task(name = \"a:b/c-d.e_f1\")] pub(crate) fn six(_: u8, mut b: u8, (c, _): (u8, u8), r#type: u8, _e: u8, _f: [u8; 2]) -> u8 { b += c; b + r#type }
         /// Documented.
         #[pexec::task] #[cfg(any())] fn absent(_: Missing) {}
         #[pexec::task] #[must_use] fn result() -> Result<(), String> { Ok(()) }
         mod deep { #[pexec::task] pub(super) fn none() {} }
         none(); deep::none(); result().unwrap(); six(1, 2, (3, 4), 5, 6, [7, 8]);
         assert_eq!(pexec::named::tasks().len(), 4);",
    );
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_type_that_cannot_travel_fails_to_build_with_a_message_that_says_what_to_derive() {
    let _sweep = LeakSweep::new();
    for main in [
        "struct Own; let _ = pexec::Inline::new().submit(|_: u32| Own, 1);",
        "struct Own; let _ = pexec::Inline::new().submit(|_: Own| 1, Own);",
    ] {
        let text = refused(main);
        for part in [
            "`Own` cannot travel between processes",
            "derive `serde::Serialize`",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
}
