//! Compiles the C library that crashes.

fn main() {
    println!("cargo::rerun-if-changed=native/frail.c");
    cc::Build::new().file("native/frail.c").compile("frail");
}
