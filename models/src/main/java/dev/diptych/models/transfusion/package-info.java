/**
 * Transfusion: one Llama that writes words token by token and denoises latents of pictures between
 * them; and LMFusion, whose pictures have weights of their own.
 *
 * <p><b>Where to look.</b> {@code TransfusionModel} is the way in; {@code TransfusionFiles} and {@code
 * TransfusionConfig} read the folder; {@code TransfusionWeights} binds the tensors; {@code
 * TransfusionNetwork} brings latents into the decoder and out of it; {@code TransfusionSession} lays
 * out a conversation, says words and draws. The decoder, its contexts and the loop of denoising are in
 * {@code dev.diptych.models.denoising}.
 *
 * <h2>The layout of a checkpoint</h2>
 *
 * <p>None was published, so it is this project's own, as near to what others write as can be.
 *
 * <ul>
 *   <li>{@code config.json}: the keys of {@code LlamaConfig}, flat; {@code model_type} is {@code
 *       transfusion}, or {@code lmfusion} where pictures have weights of their own. Beside them {@code
 *       boi_token_id}, {@code eoi_token_id}, {@code sep_token_id} (null, or the token that ends what
 *       the user says), {@code latent_channels}, {@code latent_size}, {@code patch_size}, {@code
 *       patch_layers} (linear or unet), {@code time_frequencies}, {@code position_embedding}, and with
 *       a U-Net {@code unet} with {@code block_out_channels}, {@code layers_per_block}, {@code
 *       norm_num_groups} and {@code norm_eps} of diffusers' {@code UNet2DModel}.
 *   <li>{@code vae/}: an {@code AutoencoderKL} of diffusers, or its original tensors in the same file.
 *   <li>{@code scheduler/scheduler_config.json}: {@code DDPMScheduler}, {@code DDIMScheduler} or {@code
 *       FlowMatchEulerDiscreteScheduler} of diffusers. Without it, the paper's: DDPM over 1000 steps of
 *       the cosine schedule, the model tells the noise.
 *   <li>{@code generation_config.json}: {@code guidance_scale}, {@code image_guidance_scale}, {@code
 *       num_inference_steps}, {@code timestep_shift}, {@code think} (whether the model says in words
 *       what a drawing is to show before it draws), and those of words.
 *   <li>{@code model.safetensors}: the names of {@code LlamaForCausalLM}; {@code
 *       time_embed.linear_1} and {@code linear_2}, which take the sinusoid of the time in [0, 1000]
 *       (of a flow, 1000 times its own), cosines first; {@code patch_in.proj}, {@code patch_out.proj},
 *       a patch being in the order channel, row, column; {@code
 *       patch_in.position_embedding.weight}. With a U-Net, {@code patch_in.conv_in}, {@code
 *       patch_in.down_blocks}, {@code patch_out.up_blocks}, {@code patch_out.conv_norm_out} and {@code
 *       patch_out.conv_out} stand around the two matrices as around the middle of a {@code
 *       UNet2DModel}, what the down blocks keep for the up blocks included. In an LMFusion every
 *       matrix and norm of a layer, and the last norm, is there again with {@code _image} behind the
 *       module's name, {@code mlp_image.up_proj} and {@code norm_image} among them.
 *   <li>LLaVAFusion, made from a LLaVA: {@code config.json} has {@code vision_config}, {@code
 *       vision_feature_layer}, {@code vision_feature_select_strategy}, {@code projector_hidden_act}
 *       and {@code multimodal_projector_bias} of transformers' {@code LlavaConfig}, {@code
 *       preprocessor_config.json} is CLIP's, and the tensors {@code vision_tower} and {@code
 *       multi_modal_projector} are LLaVA's.
 * </ul>
 *
 * <p>A sequence is {@code <s>}, what the user says, {@code sep}, the answer and {@code </s>}; a picture
 * stands as {@code <boi>}, its patches row by row, {@code <eoi>}. Every token and patch has a position
 * of its own. Guidance compares it with {@code <s>}, its pictures, {@code sep} and {@code <boi>}, and
 * with {@code <s>}, {@code sep} and {@code <boi>}. In a LLaVAFusion, what asks for words alone has the
 * chat form of LLaVA 1.5, and its pictures are rows of words that CLIP's tower gives; pictures to be
 * drawn anew are read by their latents, as everywhere.
 */
package dev.diptych.models.transfusion;
