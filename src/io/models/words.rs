//! Questions and answers in the words of the protocol.

use crate::core::detector::{Answer, Detector, Tensor, Typed};
use crate::proto::inference;
use crate::proto::inference::model_infer_request::{InferInputTensor, InferRequestedOutputTensor};
use crate::proto::inference::model_infer_response::InferOutputTensor;
use bytes::Bytes;
use std::collections::BTreeSet;

/// The question about items whose rows these are. Nothing of whose items they are goes along.
pub fn question(detector: &Detector, rows: &[Bytes]) -> inference::ModelInferRequest {
    let packed = match rows {
        [row] => row.clone(),
        rows => rows.concat().into(),
    };
    let wanted: BTreeSet<&str> =
        detector.outputs.iter().map(|output| output.tensor.as_str()).collect();
    let wanted = wanted.into_iter().map(|name| InferRequestedOutputTensor {
        name: name.to_owned(),
        ..InferRequestedOutputTensor::default()
    });
    inference::ModelInferRequest {
        model_name: detector.model.clone(),
        model_version: detector.version.clone(),
        inputs: vec![InferInputTensor {
            name: detector.input.tensor.clone(),
            datatype: detector.input.datatype().to_owned(),
            shape: detector.input.sides(rows.len()),
            ..InferInputTensor::default()
        }],
        outputs: wanted.collect(),
        raw_input_contents: vec![packed],
        ..inference::ModelInferRequest::default()
    }
}

/// What came, as the core takes it apart.
pub fn answer<'a>(sent: &'a inference::ModelInferResponse) -> Answer<'a> {
    let tensor = |sent: &'a InferOutputTensor| Tensor {
        name: &sent.name,
        datatype: &sent.datatype,
        sides: &sent.shape,
        typed: sent.contents.as_ref().map(typed).unwrap_or_default(),
    };
    Answer {
        model: &sent.model_name,
        version: &sent.model_version,
        tensors: sent.outputs.iter().map(tensor).collect(),
        packed: sent.raw_output_contents.iter().map(|bytes| &bytes[..]).collect(),
    }
}

fn typed(sent: &inference::InferTensorContents) -> Typed<'_> {
    Typed {
        truths: &sent.bool_contents,
        int32s: &sent.int_contents,
        int64s: &sent.int64_contents,
        uint32s: &sent.uint_contents,
        uint64s: &sent.uint64_contents,
        fp32s: &sent.fp32_contents,
        fp64s: &sent.fp64_contents,
        texts: sent.bytes_contents.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message as _;

    #[test]
    fn what_is_sent_has_the_numbers_of_the_public_protocol() {
        // model_name 1, model_version 2, inputs 5 (name 1, datatype 2, shape 3), outputs 6 (name 1), raw_input_contents 7.
        let question = inference::ModelInferRequest {
            model_name: "m".into(),
            model_version: "v".into(),
            inputs: vec![InferInputTensor {
                name: "i".into(),
                datatype: "UINT8".into(),
                shape: vec![1, 300],
                ..InferInputTensor::default()
            }],
            outputs: vec![InferRequestedOutputTensor {
                name: "o".into(),
                ..InferRequestedOutputTensor::default()
            }],
            raw_input_contents: vec![Bytes::from_static(&[9])],
            ..inference::ModelInferRequest::default()
        };
        let wire = b"\x0a\x01m\x12\x01v\x2a\x0f\x0a\x01i\x12\x05UINT8\x1a\x03\x01\xac\x02\x32\x03\x0a\x01o\x3a\x01\x09";
        assert_eq!(question.encode_to_vec(), wire);
    }

    #[test]
    fn what_comes_is_read_by_the_numbers_of_the_public_protocol() {
        // outputs 5 (name 1, datatype 2, shape 3, contents 5), every field of contents, raw_output_contents 6.
        let contents = b"\x0a\x01\x01\x12\x01\x02\x1a\x01\x03\x22\x01\x04\x2a\x01\x05\x32\x04\0\0\0\x3f\x3a\x08\0\0\0\0\0\0\xe0\x3f\x42\x01t";
        let mut tensor = b"\x0a\x01o\x12\x04FP32\x1a\x01\x01\x2a".to_vec();
        tensor.push(u8::try_from(contents.len()).expect("short"));
        tensor.extend(contents);
        let mut wire = b"\x0a\x01m\x12\x01v\x2a".to_vec();
        wire.push(u8::try_from(tensor.len()).expect("short"));
        wire.extend(&tensor);
        wire.extend(b"\x32\x01\x07");
        let sent = inference::ModelInferResponse::decode(&wire[..]).expect("decodes");
        let answer = answer(&sent);
        let [tensor] = &answer.tensors[..] else { panic!("one tensor") };
        assert_eq!((answer.model, answer.version, answer.packed), ("m", "v", vec![&[7_u8][..]]));
        assert_eq!((tensor.name, tensor.datatype, tensor.sides), ("o", "FP32", &[1_i64][..]));
        let typed = tensor.typed;
        assert_eq!((typed.truths, typed.int32s, typed.int64s), (&[true][..], &[2][..], &[3][..]));
        assert_eq!((typed.uint32s, typed.uint64s), (&[4][..], &[5][..]));
        assert_eq!((typed.fp32s, typed.fp64s, typed.texts), (&[0.5][..], &[0.5][..], 1));
    }

    #[test]
    fn nothing_that_is_sent_or_comes_is_printed() {
        let question = inference::ModelInferRequest {
            raw_input_contents: vec![Bytes::from_static(b"zzqx")],
            ..inference::ModelInferRequest::default()
        };
        let contents = inference::InferTensorContents {
            bytes_contents: vec![Bytes::from_static(b"zzqx")],
            ..inference::InferTensorContents::default()
        };
        for text in [format!("{question:?}"), format!("{contents:?}")] {
            assert!(!text.contains("zzqx") && !text.contains("122"), "{text}");
        }
    }
}
