//! Compiles the C client with the system's C compiler. No crate, no network.
//!
//! The compiler is the first of `CC_<target>`, `TARGET_CC` and `CC` that is set, words and all ("ccache gcc", "gcc -m64"); otherwise `cc`, or where the crate is
//! built for another processor `aarch64-linux-gnu-gcc` and the like. `AR` likewise. With `SHAREDRING_WERROR` set, warnings are errors: for the tests of this
//! repository, not for a user's newer compiler.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("{:?} can't be run: {}; install a C compiler", command, error));
    assert!(status.success(), "{:?} failed", command);
}

/// A tool and its first arguments.
fn tool(name: &str, native: &str, foreign: &str) -> Vec<String> {
    let target = env::var("TARGET").unwrap();
    let is_foreign = target != env::var("HOST").unwrap();
    let mut names = vec![format!("{}_{}", name, target), format!("{}_{}", name, target.replace('-', "_")), format!("TARGET_{}", name)];
    names.push(name.into());
    let mut found = None;
    for name in names {
        println!("cargo:rerun-if-env-changed={}", name);
        found = found.or_else(|| env::var(&name).ok().filter(|words| !words.trim().is_empty()));
    }
    let words = found.unwrap_or_else(|| if is_foreign { format!("{}-{}", target.replace("-unknown-", "-"), foreign) } else { native.into() });
    words.split_whitespace().map(String::from).collect()
}

fn main() {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR").unwrap());
    let out = PathBuf::from(env::var("OUT_DIR").unwrap());
    let client = here.join("../C");
    let core = here.join("../../Sources/CAtomics");
    let compiler = tool("CC", "cc", "gcc");
    let archiver = tool("AR", "ar", "ar");
    println!("cargo:rerun-if-env-changed=SHAREDRING_WERROR");
    let strict: &[&str] = if env::var_os("SHAREDRING_WERROR").is_some() { &["-Werror"] } else { &[] };

    let mut sources: Vec<PathBuf> = std::fs::read_dir(client.join("src"))
        .expect("Clients/C/src stands beside this crate")
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().map_or(false, |end| end == "c"))
        .collect();
    sources.sort();
    sources.push(core.join("linux.c"));
    sources.push(core.join("fork.c"));
    sources.push(here.join("src/inlined.c"));

    let mut objects = Vec::new();
    for (number, source) in sources.iter().enumerate() {
        let object = out.join(format!("{}.o", number));
        run(Command::new(&compiler[0])
            .args(&compiler[1..])
            .args(&["-std=gnu11", "-O2", "-g", "-fPIC", "-Wall", "-c"])
            .args(strict)
            .arg("-I")
            .arg(&client)
            .arg("-I")
            .arg(client.join("src"))
            .arg("-I")
            .arg(core.join("include"))
            .arg(source)
            .arg("-o")
            .arg(&object));
        objects.push(object);
    }
    let library = out.join("libsharedring_c.a");
    let _ = std::fs::remove_file(&library);
    run(Command::new(&archiver[0]).args(&archiver[1..]).arg("rcs").arg(&library).args(&objects));

    println!("cargo:rustc-link-search=native={}", out.display());
    println!("cargo:rustc-link-lib=static=sharedring_c");
    println!("cargo:rustc-link-lib=dylib=pthread");
    for watched in [client.join("src"), client.join("sharedring.h"), core, Path::new("src/inlined.c").into(), Path::new("build.rs").into()] {
        println!("cargo:rerun-if-changed={}", watched.display());
    }
}
