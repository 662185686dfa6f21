//! `hubbub keys`: key pairs of accounts, as files for their owner alone.
//!
//! A private key is read from a file or from standard input, never from an argument, which every user of the machine sees;
//! what is shown is the public half.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand, ValueEnum};
use zeroize::Zeroizing;

use super::Failure;
use crate::salmon::{NewKey, PrivateKey};

/// Longer than any key; a file beyond that is another one.
const LONGEST: u64 = 64 * 1024;

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Make a key pair
    New(New),
    /// Take over the key pair of a site: a PEM (PKCS#1 or PKCS#8), or RSA.n.e.d as StatusNet and GNU social have it
    Import(Import),
    /// Say what the public half of a key pair is
    Show(Show),
}

#[derive(Debug, Args)]
pub(super) struct New {
    /// How large; all that still speak Salmon verify 2048 bits
    #[arg(long, value_enum, default_value_t)]
    bits: Bits,
    /// A new file for it, closed to others
    file: PathBuf,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Bits {
    #[default]
    #[value(name = "2048")]
    Least,
    #[value(name = "3072")]
    More,
    #[value(name = "4096")]
    Most,
}

#[derive(Debug, Args)]
pub(super) struct Import {
    /// Where the key pair is; by default standard input
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// A new file for it, closed to others
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    /// The file of the key pair
    file: PathBuf,
}

impl KeysCommand {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::New(new) => {
                let size = match new.bits {
                    Bits::Least => NewKey::Bits2048,
                    Bits::More => NewKey::Bits3072,
                    Bits::Most => NewKey::Bits4096,
                };
                let key = PrivateKey::generate(size).map_err(Failure::running)?;
                keep(&key, &new.file)
            }
            Self::Import(import) => keep(&read(import.from.as_deref())?, &import.file),
            Self::Show(show) => say(&read(Some(&show.file))?),
        }
    }
}

/// Reads a key pair from a file or from standard input.
fn read(file: Option<&Path>) -> Result<PrivateKey, Failure> {
    let name = file.map_or("standard input".to_owned(), |file| file.display().to_string());
    let mut text = Zeroizing::new(String::new());
    let read = match file {
        Some(file) => fs::File::open(file).and_then(|file| file.take(LONGEST).read_to_string(&mut text)),
        None => io::stdin().lock().take(LONGEST).read_to_string(&mut text),
    };
    read.with_context(|| format!("{name} cannot be read")).map_err(Failure::Running)?;
    PrivateKey::import(&text).with_context(|| name).map_err(Failure::Running)
}

/// Writes it to a file that was not there before: the old one may be what a site's followers know.
fn keep(key: &PrivateKey, path: &Path) -> Result<(), Failure> {
    let pem = key.to_pem().map_err(Failure::running)?;
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(pem.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|error| Failure::Running(anyhow!("{} cannot be written: {error}", path.display())))?;
    say(key)
}

/// What others are told of it, and what a site with a `WebFinger` of its own puts in there.
fn say(key: &PrivateKey) -> Result<(), Failure> {
    let public = key.public();
    let text = format!(
        "bits {}\nid {}\nkey {public}\nlink rel=\"magic-public-key\" href=\"{}\"",
        public.bits(),
        public.id(),
        public.to_href()
    );
    writeln!(io::stdout(), "{text}").map_err(Failure::running)
}
