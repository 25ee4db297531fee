//! Measures and rules as the Python layer writes them.

use embedsmith_core::metrics::ties::Ties;
use embedsmith_core::metrics::{Gain, Kind, Measure, Rounding};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// (kind, cutoff, lowest relevant grade, whether only judged documents count, gain, the gains of
/// `gain="custom"` by grade, the measure's own number), as `Measure.spec` has it.
pub(super) type Spec = (String, Option<usize>, f64, bool, String, Vec<(f64, f64)>, Option<f64>);

fn gain(name: &str, gains: &[(f64, f64)]) -> PyResult<Gain> {
    match name {
        "linear" => Ok(Gain::Linear),
        "exp2" => Ok(Gain::Exponential),
        "binary" => Ok(Gain::Binary),
        "custom" => {
            let mut gains = gains.to_vec();
            gains.sort_by(|(a, _), (b, _)| a.total_cmp(b));
            Ok(Gain::Custom(gains))
        }
        _ => Err(PyValueError::new_err(format!("unknown gain {name:?}"))),
    }
}

fn measure(spec: &Spec) -> PyResult<Measure> {
    let (kind, cutoff, relevant_from, judged_only, gain_name, gains, number) = spec;
    let number = || number.ok_or_else(|| PyValueError::new_err(format!("{kind} needs its number")));
    let rounding = Rounding::PlusNineTenths;
    let kind = match kind.as_str() {
        "nDCG" => Kind::Ndcg(gain(gain_name, gains)?),
        "DCG" => Kind::Dcg(gain(gain_name, gains)?),
        "AP" | "gMAP" => Kind::AveragePrecision { capped: false },
        "AP/min_k" => Kind::AveragePrecision { capped: true },
        "RR" => Kind::ReciprocalRank,
        "R" | "SetR" => Kind::Recall { capped: false },
        "R/cap" => Kind::Recall { capped: true },
        "P" | "SetP" => Kind::Precision,
        "F" | "SetF" => Kind::F { beta: number()? },
        "Success" => Kind::Success,
        "Rprec" => Kind::RPrecision,
        "SetAP" => Kind::SetAveragePrecision,
        "Bpref" => Kind::Bpref,
        "infAP" => Kind::InferredAp,
        "RBP" => Kind::RankBiasedPrecision { p: number()? },
        "RBP/residual" => Kind::RankBiasedResidual { p: number()? },
        "ERR" | "NERR" => {
            Kind::ExpectedReciprocalRank { largest: spec.6, normalised: kind == "NERR" }
        }
        "IPrec" => Kind::InterpolatedPrecision { recall: number()?, rounding },
        "IPrec/nearest" => {
            Kind::InterpolatedPrecision { recall: number()?, rounding: Rounding::Nearest }
        }
        "11pt" => Kind::ElevenPoints { rounding },
        "11pt/nearest" => Kind::ElevenPoints { rounding: Rounding::Nearest },
        "Judged" => Kind::Judged,
        "Hole" => Kind::Hole,
        "NumRet" => Kind::NumRetrieved,
        "NumRel" => Kind::NumRelevant,
        "NumRelRet" => Kind::NumRelevantRetrieved,
        "NumQ" => Kind::NumQueries,
        _ => return Err(PyValueError::new_err(format!("unknown kind of measure {kind:?}"))),
    };
    Ok(Measure { kind, cutoff: *cutoff, relevant_from: *relevant_from, judged_only: *judged_only })
}

pub(super) fn measures(specs: &[Spec]) -> PyResult<Vec<Measure>> {
    specs.iter().map(measure).collect()
}

pub(super) fn ties(name: &str) -> PyResult<Ties> {
    match name {
        "docid_desc" => Ok(Ties::DocidDescending),
        "docid_asc" => Ok(Ties::DocidAscending),
        "input" => Ok(Ties::Input),
        "expected" => Ok(Ties::Expected),
        "best" => Ok(Ties::Best),
        "worst" => Ok(Ties::Worst),
        "error" => Ok(Ties::Error),
        _ => Err(PyValueError::new_err(format!("unknown rule for ties {name:?}"))),
    }
}
