//! The parts of a layer in `f64`, as the papers write them.

use super::Weights;

pub(super) type Rows = Vec<Vec<f64>>;

pub(super) fn get(weights: &Weights, name: &str) -> Vec<f64> {
    weights[name].1.iter().map(|&x| f64::from(x)).collect()
}

/// A bias, or a shift: 0 where the model has none.
fn shift(weights: &Weights, name: &str, place: usize) -> f64 {
    weights.get(name).map_or(0.0, |(_, values)| f64::from(values[place]))
}

pub(super) fn linear(weights: &Weights, rows: &[Vec<f64>], name: &str) -> Rows {
    let (weight, bias) = (get(weights, &format!("{name}.weight")), format!("{name}.bias"));
    let one = |row: &Vec<f64>| {
        let products = weight.chunks_exact(row.len()).enumerate();
        products
            .map(|(i, of)| {
                row.iter().zip(of).map(|(a, b)| a * b).sum::<f64>() + shift(weights, &bias, i)
            })
            .collect()
    };
    rows.iter().map(one).collect()
}

pub(super) fn norm(weights: &Weights, rows: &mut [Vec<f64>], name: &str, epsilon: f64) {
    let (weight, bias) = (get(weights, &format!("{name}.weight")), format!("{name}.bias"));
    for row in rows {
        let n = row.len() as f64;
        let mean = row.iter().sum::<f64>() / n;
        let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        for (i, value) in row.iter_mut().enumerate() {
            *value = (*value - mean) / (variance + epsilon).sqrt() * weight[i]
                + shift(weights, &bias, i);
        }
    }
}

pub(super) fn gelu(x: f64) -> f64 {
    // Simpson's rule for the share of the normal distribution between 0 and x.
    let (steps, density) = (400, |t: f64| (-0.5 * t * t).exp() / std::f64::consts::TAU.sqrt());
    let h = x / f64::from(steps);
    let part = |i: i32| {
        let t = f64::from(i) * h;
        density(t) + 4.0 * density(t + h / 2.0) + density(t + h)
    };
    x * (0.5 + (0..steps).map(part).sum::<f64>() * h / 6.0)
}

/// Each token's mixture of the values of those that it sees.
pub(super) fn attention(
    [queries, keys, values]: [&Rows; 3],
    heads: usize,
    sees: impl Fn(usize, usize) -> bool,
) -> Rows {
    let width = queries[0].len() / heads;
    let mut mixed = vec![vec![0.0; queries[0].len()]; queries.len()];
    for head in 0..heads {
        let columns = head * width..(head + 1) * width;
        for (token, mixture) in mixed.iter_mut().enumerate() {
            let score = |(other, key): (usize, &Vec<f64>)| {
                let dot: f64 = columns.clone().map(|i| queries[token][i] * key[i]).sum();
                if sees(token, other) { (dot / (width as f64).sqrt()).exp() } else { 0.0 }
            };
            let scores: Vec<f64> = keys.iter().enumerate().map(score).collect();
            let total: f64 = scores.iter().sum();
            for i in columns.clone() {
                let sum: f64 = scores.iter().zip(values).map(|(s, value)| s * value[i]).sum();
                mixture[i] = sum / total;
            }
        }
    }
    mixed
}

pub(super) fn add(rows: &mut [Vec<f64>], more: &[Vec<f64>]) {
    for (row, more) in rows.iter_mut().zip(more) {
        row.iter_mut().zip(more).for_each(|(a, b)| *a += b);
    }
}

/// The mean of rows, of length 1.
pub(super) fn pooled(rows: &[Vec<f64>]) -> Vec<f64> {
    let width = rows[0].len();
    let mean: Vec<f64> = (0..width)
        .map(|i| rows.iter().map(|row| row[i]).sum::<f64>() / rows.len() as f64)
        .collect();
    let length = mean.iter().map(|x| x * x).sum::<f64>().sqrt();
    mean.iter().map(|x| x / length).collect()
}
