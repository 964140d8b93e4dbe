//! Writes the targets' first corpora: `seeds DIRECTORY` makes a directory of inputs for each target.

use std::fs;
use std::path::Path;

fn main() {
    let root = std::env::args().nth(1).expect("seeds DIRECTORY");
    for (target, name, bytes) in vipcast_fuzz::seeds::seeds(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")) {
        let directory = Path::new(&root).join(target);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(name), bytes).unwrap();
    }
}
