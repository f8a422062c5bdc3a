"""Models of a few lines for the tests of detectors: what they say of an item can be computed by hand."""

import time

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput


class Zz(MLModel):
    """Says of each item what `score` does, as one number of FP32."""

    async def load(self) -> bool:
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        numbers = self.score(payload.inputs[0])
        output = ResponseOutput(name="said", datatype="FP32", shape=[len(numbers), 1], data=numbers)
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=[output])


class Mean(Zz):
    """The mean of all elements of each item."""

    def score(self, tensor):
        items = NumpyCodec.decode_input(tensor)
        return [float(item.mean()) for item in items]


class Corner(Zz):
    """Of each picture the last channel of the first pixel of the last row: where each element stands."""

    def score(self, tensor):
        return [float(item[-1, 0, -1]) for item in NumpyCodec.decode_input(tensor)]


class Length(Zz):
    """A hundredth of each text's characters; for some texts something that is no score."""

    def score(self, tensor):
        return [self.of(text) for text in StringCodec.decode_input(tensor)]

    def of(self, text):
        if text == "zz-fails":
            raise ValueError("zz")
        if text == "zz-sleeps":
            time.sleep(3)
        return float("nan") if text == "zz-nan" else len(text) / 100


class Dot(Zz):
    """The dot product of each vector with 1, 2, 3 and so on: a logit."""

    def score(self, tensor):
        vectors = NumpyCodec.decode_input(tensor)
        return [float(vector @ np.arange(1, vector.size + 1)) for vector in vectors]
