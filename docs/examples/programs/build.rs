//! Compiles the C library that crashes. Only the example that declares it is linked with it.

fn main() {
    println!("cargo::rerun-if-changed=native/frail.c");
    let out = std::env::var("OUT_DIR").expect("cargo sets it");
    println!("cargo::rustc-link-search=native={out}");
    cc::Build::new()
        .file("native/frail.c")
        .cargo_metadata(false)
        .compile("frail");
}
