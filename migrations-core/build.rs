//! `include_dir!` does not notice a file that was added to the folder; cargo does, when told to watch it.

fn main() {
    println!("cargo::rerun-if-changed=registry");
}
