"""Steps within a radius or of a cubic model, each with the decrease that its model predicts; and the radius rule."""
