//! `include_dir!` does not notice a file that is added to the folder; cargo does, when it is told to watch the folder.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
