//! Numbers of several rounds, and how they are written.

/// What the rounds gave.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures(Vec<f64>);

impl Figures {
    /// Adds a round's.
    pub(crate) fn add(&mut self, figure: f64) {
        if figure.is_finite() {
            self.0.push(figure);
        }
    }

    /// The median; none without rounds.
    pub(crate) fn median(&self) -> Option<f64> {
        median(&self.0)
    }

    /// `23,500 (22,900 to 24,100)`; no spread for one round, a dash for none.
    pub(crate) fn text(&self, unit: &str) -> String {
        let Some(median) = self.median() else { return "-".to_owned() };
        let least = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let spread = if self.0.len() > 1 { format!(" ({} to {})", number(least), number(most)) } else { String::new() };
        format!("{}{unit}{spread}", number(median))
    }

    /// `7.0x`: how often the other one's median is in this one's.
    pub(crate) fn ratio(&self, other: &Figures) -> String {
        match (self.median(), other.median()) {
            (Some(one), Some(other)) if other > 0.0 && one >= 0.0 => format!("{}x", number(one / other)),
            _ => "-".to_owned(),
        }
    }
}

/// The middle one; of an even number the mean of the two in the middle.
pub(crate) fn median(figures: &[f64]) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted.get(sorted.len().saturating_sub(1) / 2)?, sorted.get(sorted.len() / 2)?);
    Some(f64::midpoint(*low, *high))
}

/// About three digits: `24,100`, `240`, `2.4`, `0.24`.
pub(crate) fn number(figure: f64) -> String {
    let size = figure.abs();
    match size {
        _ if size >= 1000.0 => {
            let step = 10_f64.powi(size.log10() as i32 - 2);
            let text = ((figure / step).round() * step).round().to_string();
            grouped(&text)
        }
        _ if size >= 99.5 => format!("{figure:.0}"),
        _ if size >= 9.95 => format!("{figure:.1}"),
        _ if size >= 0.005 => format!("{figure:.2}"),
        _ => "0".to_owned(),
    }
}

/// A comma before each three digits from the right.
fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        let left = digits.len() - at;
        if at > 0 && left.is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_in_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn numbers_have_about_three_digits() {
        let texts: Vec<String> = [1_234_567.0, 23_456.0, 999.6, 240.4, 24.04, 2.404, -0.24, 0.001].map(number).into();
        assert_eq!(texts, ["1,230,000", "23,500", "1000", "240", "24.0", "2.40", "-0.24", "0"]);
    }

    #[test]
    fn spreads_and_ratios_are_written() {
        let one = Figures(vec![10.0, 30.0, 20.0]);
        assert_eq!(one.text(" %"), "20.0 % (10.0 to 30.0)");
        assert_eq!(one.ratio(&Figures(vec![5.0])), "4.00x");
        assert_eq!(one.ratio(&Figures::default()), "-");
        assert_eq!(Figures::default().text(""), "-");
    }
}
