"""The configurations of the networks whose tensors the reference tables list."""

from ptycho_engine.config import ModelConfig

NOVEMBER = ModelConfig(
    release="2025-11",
    cbam_encoder=False,
    amplitude_outputs=1,
    border_channels=8,
    probe_big=False,
    probe_scale=1.0,
    merge_weights="2025-11",
)
"""The network of November 2025 for groups of four."""
HEAD_TABLES: dict[str, ModelConfig] = {
    "N64_gs2_default": ModelConfig(),
    "N64_gs1_default": ModelConfig(gridsize=1, object_big=False),
    "N64_gs1_object_big_true": ModelConfig(gridsize=1),
    "N64_gs3": ModelConfig(gridsize=3),
    "N128_gs1_default": ModelConfig(n=128, gridsize=1, object_big=False),
    "N128_gs2": ModelConfig(n=128),
    "N256_gs1": ModelConfig(n=256, gridsize=1, object_big=False),
    "N64_gs2_nfs1": ModelConfig(n_filters_scale=1),
    "N64_gs2_nfs4": ModelConfig(n_filters_scale=4),
    "N64_gs2_probe_big_false": ModelConfig(probe_big=False),
    "N64_gs2_cbam_encoder_false": ModelConfig(cbam_encoder=False),
    "N64_gs2_eca_encoder": ModelConfig(cbam_encoder=False, eca_encoder=True),
    "N64_gs2_cbam_bottleneck": ModelConfig(cbam_bottleneck=True),
    "N64_gs2_cbam_decoder": ModelConfig(decoder_attention="cbam"),
    "N64_gs2_eca_decoder": ModelConfig(decoder_attention="eca"),
    "N64_gs2_spatial_decoder": ModelConfig(decoder_attention="spatial"),
    "N64_gs2_batch_norm": ModelConfig(batch_norm=True),
    "N64_gs2_real_imag": ModelConfig(output="real_imag"),
    "N64_gs2_real_imag_rect": ModelConfig(output="real_imag", forward_model="counts"),
    "N64_gs2_shared_decoder": ModelConfig(shared_decoder=True),
    "N64_gs2_legacy_channels": ModelConfig(amplitude_outputs=1, border_channels=8),
    "N64_gs2_supervised": ModelConfig(supervised=True),
    "N64_gs2_intensity_trainable": ModelConfig(),
    "N64_gs2_num_datasets3": ModelConfig(n_datasets=3),
}
"""By their name in ``state_dict_tables_head.json``."""
NOVEMBER_TABLES: dict[str, ModelConfig] = {
    "N64_gs2_default": NOVEMBER,
    "N64_gs1_default": ModelConfig(**NOVEMBER.as_dict() | {"gridsize": 1, "amplitude_outputs": None}),
    "N128_gs1_default": ModelConfig(**NOVEMBER.as_dict() | {"n": 128, "gridsize": 1, "amplitude_outputs": None}),
    "N64_gs2_cbam": ModelConfig(**NOVEMBER.as_dict() | {"cbam_encoder": True}),
    "N64_gs2_nfs1": ModelConfig(**NOVEMBER.as_dict() | {"n_filters_scale": 1, "border_channels": 4}),
    "N64_gs2_ampch4": ModelConfig(**NOVEMBER.as_dict() | {"amplitude_outputs": None}),
}
"""By their name in ``state_dict_tables_nov2025.json``."""
