//! Faults that are switched on and off while the program runs, by a library that stands between it and the C library.

use std::{fs::File, os::unix::fs::FileExt as _, path::PathBuf, process::Command};

use tempfile::TempDir;

/// The library, and the file that tells it what is to go wrong.
#[derive(Debug)]
pub(super) struct Faults {
    home: TempDir,
    orders: File,
}

impl Faults {
    /// Builds the library; fails where there is no C compiler, as the hub itself cannot be built without.
    pub(super) fn new() -> Self {
        let home = TempDir::with_prefix("hubbub-it-faults-").unwrap();
        let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/faults/faults.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]);
        let built = compiler.arg(home.path().join("faults.so")).arg(source).output();
        let built = built.expect("a C compiler named cc");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let mut options = File::options();
        let orders =
            options.read(true).write(true).create_new(true).open(home.path().join("orders")).unwrap();
        orders.set_len(32).unwrap();
        Self { home, orders }
    }

    /// The conditions under which a program obeys them.
    pub(super) fn conditions(&self) -> String {
        let home = self.home.path().display();
        format!("export LD_PRELOAD='{home}/faults.so' FAULTS='{home}/orders'; exec \"$0\" \"$@\"")
    }

    #[expect(clippy::host_endian_bytes, reason = "the program that reads it runs on this machine")]
    fn order(&self, place: u64, number: i64) {
        self.orders.write_all_at(&number.to_ne_bytes(), place * 8).unwrap();
    }

    /// Each write to the store's file fails with this error; 0 lets it through.
    pub(super) fn fail_writes(&self, errno: i32) {
        self.order(0, errno.into());
    }

    /// Nothing more that was written comes to the disk, for this reason.
    pub(super) fn fail_syncs(&self, errno: i32) {
        self.order(1, errno.into());
    }

    /// The time of day is off by so many seconds.
    pub(super) fn shift_clock(&self, seconds: i64) {
        self.order(2, seconds);
    }

    /// Bringing something to the disk takes for ever.
    pub(super) fn hang_syncs(&self, hang: bool) {
        self.order(3, hang.into());
    }
}
