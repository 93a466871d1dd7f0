//! Measured figures, and the samples that they come from.

/// One measured figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Its name: `mean`, `messages an entry`, `residue`.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// Half the width of the 95 % confidence interval, where there is one.
    pub ci95: Option<f64>,
}

impl Measured {
    /// A figure that is counted, not sampled.
    pub fn exact(name: impl Into<String>, value: f64) -> Self {
        Measured { name: name.into(), value, ci95: None }
    }

    /// A figure with its confidence interval.
    pub fn sampled(name: impl Into<String>, value: f64, ci95: f64) -> Self {
        Measured { name: name.into(), value, ci95: Some(ci95) }
    }

    /// The share of `hits` in `tries`, by the normal approximation (Wilson's width, so that 0 of n has one too).
    pub fn share(name: impl Into<String>, hits: u64, tries: u64) -> Self {
        let n = tries.max(1) as f64;
        let p = hits as f64 / n;
        let z2 = Z95 * Z95;
        let half = Z95 * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt() / (1.0 + z2 / n);
        Measured::sampled(name, p, half)
    }
}

/// The normal distribution's 97.5 % quantile.
const Z95: f64 = 1.959_963_984_540_054;

/// Values of one figure, one a run or many.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    values: Vec<f64>,
    sorted: bool,
}

impl Sample {
    /// Adds a value.
    pub fn add(&mut self, value: f64) {
        self.values.push(value);
        self.sorted = false;
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The mean; 0 of nothing.
    pub fn mean(&self) -> f64 {
        self.values.iter().sum::<f64>() / (self.values.len().max(1) as f64)
    }

    /// The standard deviation of the sample.
    pub fn deviation(&self) -> f64 {
        let mean = self.mean();
        let squares: f64 = self.values.iter().map(|value| (value - mean).powi(2)).sum();
        (squares / (self.values.len().saturating_sub(1).max(1) as f64)).sqrt()
    }

    /// The largest; 0 of nothing.
    pub fn most(&self) -> f64 {
        self.values.iter().copied().reduce(f64::max).unwrap_or(0.0)
    }

    /// The value below which that share lies, `0.5` for the median; interpolated, 0 of nothing.
    pub fn quantile(&mut self, share: f64) -> f64 {
        self.sort();
        let Some(last) = self.values.len().checked_sub(1) else { return 0.0 };
        let place = share.clamp(0.0, 1.0) * last as f64;
        let (below, above) = (self.values[place.floor() as usize], self.values[place.ceil() as usize]);
        below + (above - below) * place.fract()
    }

    /// The mean as a figure.
    pub fn mean_as(&self, name: impl Into<String>) -> Measured {
        let half = Z95 * self.deviation() / (self.values.len().max(1) as f64).sqrt();
        Measured::sampled(name, self.mean(), half)
    }

    /// A quantile as a figure; its interval is that of the order statistics around it.
    pub fn quantile_as(&mut self, name: impl Into<String>, share: f64) -> Measured {
        let value = self.quantile(share);
        let spread = Z95 * (share * (1.0 - share) / (self.values.len().max(1) as f64)).sqrt();
        let half = (self.quantile(share + spread) - self.quantile(share - spread)) / 2.0;
        Measured::sampled(name, value, half)
    }

    fn sort(&mut self) {
        if !self.sorted {
            self.values.sort_by(f64::total_cmp);
            self.sorted = true;
        }
    }
}

impl FromIterator<f64> for Sample {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Sample { values: values.into_iter().collect(), sorted: false }
    }
}

impl Extend<f64> for Sample {
    fn extend<I: IntoIterator<Item = f64>>(&mut self, values: I) {
        values.into_iter().for_each(|value| self.add(value));
    }
}
