//! Connections that fit into the files that the system lets this process open.

use super::Config;

/// Files for everything but connections: the store with what it opens for a moment, the listeners, the runtime.
const RESERVED: u64 = 40;

impl Config {
    /// Lowers what may be open at once until all of it fits into so many files. Says whether anything was lowered.
    ///
    /// A store that cannot open a file fails for good, and so does not compete with a crowd for the last one.
    pub fn fit(&mut self, files: u64) -> bool {
        let room = files.saturating_sub(RESERVED);
        let wanted = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        // Both listeners take as many, and as many may be on their way out; a delivery or verification may have a spare connection beside it.
        let all = [
            self.server.max_connections,
            self.server.max_connections,
            self.server.max_connections,
            self.server.max_connections,
            self.delivery.concurrency,
            self.delivery.concurrency,
            self.verification.concurrency,
            // As many may have turned out to be slow, and left their room to others.
            self.fetch.concurrency,
            self.fetch.concurrency,
            // Not instead of the connection that the name is for: whoever wanted that may have given up long ago.
            self.network.lookups,
            self.network.lookups,
        ];
        let sum = all.iter().fold(0, |sum: u64, count| sum.saturating_add(wanted(*count)));
        if sum <= room {
            return false;
        }
        for count in [
            &mut self.server.max_connections,
            &mut self.delivery.concurrency,
            &mut self.verification.concurrency,
            &mut self.fetch.concurrency,
            &mut self.network.lookups,
        ] {
            let share =
                u128::from(wanted(*count)).saturating_mul(u128::from(room)).checked_div(u128::from(sum));
            *count = share.and_then(|share| usize::try_from(share).ok()).unwrap_or_default().clamp(1, *count);
        }
        self.hosts.connections = self.hosts.connections.min(self.delivery.concurrency);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_files_are_plenty_nothing_changes() {
        let mut config = Config::default();
        assert!(!config.fit(1 << 20));
        assert_eq!(config, Config::default());
    }

    #[test]
    fn where_files_are_few_everything_gets_its_share_and_at_least_one() {
        for files in [0, 41, 64, 1024, 8192] {
            let mut config = Config::default();
            assert!(config.fit(files));
            let (server, delivery) = (config.server.max_connections, config.delivery.concurrency);
            let others = config.verification.concurrency + 2 * config.fetch.concurrency;
            let open = 2 * (2 * server + delivery + config.network.lookups) + others;
            assert!(server >= 1 && delivery >= 1 && config.fetch.concurrency >= 1, "{files}");
            // At least one of each, whatever its share.
            let most = files.saturating_sub(RESERVED) + 11;
            assert!(u64::try_from(open).unwrap() <= most, "{files}: {open}");
            assert!(config.hosts.connections <= delivery);
        }
    }
}
