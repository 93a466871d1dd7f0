//! Marks of a run's record: hashes along the way, so that another build can say where it parts from it.

/// Most marks that are kept; of a longer run every second, every fourth… is.
pub const MARKS_MAX: usize = 256;

/// Hashes of a run, each with the number of records that it covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marks {
    every: u64,
    seen: u64,
    marks: Vec<(u64, u32)>,
}

impl Default for Marks {
    fn default() -> Self {
        Marks { every: 1, seen: 0, marks: Vec::new() }
    }
}

/// Where a run parts from the marks of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parting {
    /// Up to this record both are the same.
    pub same_to: u64,
    /// Here they are not.
    pub differs_by: u64,
}

impl Marks {
    /// The world has come to so many records with that hash.
    pub fn note(&mut self, records: u64, fingerprint: u64) {
        if self.marks.last().is_some_and(|(last, _)| *last == records) {
            return;
        }
        self.seen += 1;
        if !(self.seen - 1).is_multiple_of(self.every) {
            return;
        }
        self.marks.push((records, (fingerprint >> 32) as u32));
        if self.marks.len() > MARKS_MAX {
            self.every *= 2;
            let mut place = 0;
            self.marks.retain(|_| {
                place += 1;
                place % 2 == 1
            });
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// Marks from their text.
    pub fn read(text: &str) -> Option<Marks> {
        let mark = |word: &str| {
            let (records, hash) = word.split_once(':')?;
            Some((records.parse().ok()?, u32::from_str_radix(hash, 16).ok()?))
        };
        let marks: Option<Vec<(u64, u32)>> = text.split_whitespace().map(mark).collect();
        Some(Marks { marks: marks?, ..Marks::default() })
    }

    /// Their text, a few in a line.
    pub fn lines(&self) -> Vec<String> {
        let words: Vec<String> =
            self.marks.iter().map(|(records, hash)| format!("{records}:{hash:08x}")).collect();
        words.chunks(5).map(|chunk| chunk.join(" ")).collect()
    }
}

/// Compares a run with marks while it is made.
#[derive(Debug)]
pub struct Comparison<'a> {
    marks: &'a [(u64, u32)],
    same_to: u64,
    parting: Option<Parting>,
}

impl<'a> Comparison<'a> {
    /// Against the marks of another run.
    pub fn with(marks: &'a Marks) -> Self {
        Comparison { marks: &marks.marks, same_to: 0, parting: None }
    }

    /// The world has come to so many records with that hash.
    pub fn note(&mut self, records: u64, fingerprint: u64) {
        if self.parting.is_some() {
            return;
        }
        if let Some(((at, hash), rest)) = self.marks.split_first()
            && *at <= records
        {
            self.marks = rest;
            match *at == records && *hash == (fingerprint >> 32) as u32 {
                true => self.same_to = records,
                false => self.parting = Some(Parting { same_to: self.same_to, differs_by: *at }),
            }
        }
    }

    /// The run is over: where it parted, if it did.
    pub fn end(self) -> Option<Parting> {
        // A run that ends before a mark parts where it ends.
        let early = self.marks.first().map(|(at, _)| Parting { same_to: self.same_to, differs_by: *at });
        self.parting.or(early)
    }
}
